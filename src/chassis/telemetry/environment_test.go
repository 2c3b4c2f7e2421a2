package telemetry_test

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"io"
	"math/big"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/trace"
	collectorpb "go.opentelemetry.io/proto/otlp/collector/trace/v1"
	tracepb "go.opentelemetry.io/proto/otlp/trace/v1"
	"google.golang.org/grpc"

	"tandem/src/chassis/telemetry"
	"tandem/src/testkit/telemetrytest"
)

// row is a row of the table of OTEL_ variables in the documentation.
type row struct {
	Variable, Value string
	With            map[string]string // other variables
	Outcome, Effect string
}

const (
	notHonoured = "some OTEL_ variables are not honoured"
	endpointKey = "OTEL_EXPORTER_OTLP_ENDPOINT"
)

// trial is the environment of one row, with its collectors.
type trial struct {
	*collector
	grpc    *grpcCollector
	env     map[string]string
	log     *telemetrytest.Log
	signals *telemetry.Telemetry
	err     error
}

// grpcCollector is an OTLP collector for gRPC without TLS.
type grpcCollector struct {
	collectorpb.UnimplementedTraceServiceServer
	collector *collector // which keeps the spans
	address   string
}

func (g *grpcCollector) Export(
	_ context.Context, request *collectorpb.ExportTraceServiceRequest,
) (*collectorpb.ExportTraceServiceResponse, error) {
	g.collector.mu.Lock()
	defer g.collector.mu.Unlock()
	g.collector.requests = append(g.collector.requests, request)
	return &collectorpb.ExportTraceServiceResponse{}, nil
}

func newGRPCCollector(t *testing.T, spans *collector) *grpcCollector {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	g := &grpcCollector{collector: spans, address: listener.Addr().String()}
	server := grpc.NewServer()
	collectorpb.RegisterTraceServiceServer(server, g)
	go func() { _ = server.Serve(listener) }()
	t.Cleanup(server.Stop)
	return g
}

// newTrial sets the environment of a row and starts its collectors. Unless the row
// says something else, the endpoint is the collector.
func newTrial(t *testing.T, r row) *trial {
	t.Helper()
	certs := writeCertificates(t)
	c := &collector{}
	c.Server = httptest.NewUnstartedServer(http.HandlerFunc(c.receive))
	if strings.HasPrefix(r.With[endpointKey], "https:") {
		pair, err := tls.LoadX509KeyPair(filepath.Join(certs, "client.pem"), filepath.Join(certs, "client.key"))
		require.NoError(t, err)
		c.TLS = &tls.Config{Certificates: []tls.Certificate{pair}, ClientAuth: tls.RequestClientCert}
		c.StartTLS()
	} else {
		c.Start()
	}
	t.Cleanup(c.Close)
	tr := &trial{collector: c, grpc: newGRPCCollector(t, c), log: new(telemetrytest.Log), env: map[string]string{}}
	replace := strings.NewReplacer("collector:4318", c.Listener.Addr().String(), "collector:4317", tr.grpc.address, "/certs/", certs+"/")
	if !strings.HasSuffix(r.Variable, "_ENDPOINT") {
		tr.env[endpointKey] = c.URL
	}
	for name, value := range r.With {
		tr.env[name] = replace.Replace(value)
	}
	tr.env[r.Variable] = replace.Replace(r.Value)
	tr.signals, tr.err = newSignals(t, tr.env, tr.log)
	return tr
}

// end ends a span, exports it and returns what the collector has received.
func (tr *trial) end(t *testing.T) []*tracepb.Span {
	t.Helper()
	_, span := tr.signals.Tracer.Start(t.Context(), "work")
	span.End()
	require.NoError(t, tr.signals.Flush(t.Context()), tr.log)
	return tr.spans()
}

func (c *collector) spans() (all []*tracepb.Span) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, request := range c.requests {
		for _, group := range request.GetResourceSpans() {
			for _, scope := range group.GetScopeSpans() {
				all = append(all, scope.GetSpans()...)
			}
		}
	}
	return all
}

// attributeOf returns the attribute of the resource of the spans.
func (tr *trial) attributeOf(key string) string {
	_, resource := tr.received()
	return resource[key]
}

// writeCertificates writes a certificate that authenticates 127.0.0.1 and clients, and
// is its own authority, into a folder.
func writeCertificates(t *testing.T) string {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	require.NoError(t, err)
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "collector"}, IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour), IsCA: true, BasicConstraintsValid: true,
		KeyUsage: x509.KeyUsageDigitalSignature | x509.KeyUsageCertSign,
	}
	certificate, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	require.NoError(t, err)
	encoded, err := x509.MarshalPKCS8PrivateKey(key)
	require.NoError(t, err)
	folder := t.TempDir()
	text := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: certificate})
	for name, content := range map[string][]byte{
		"ca.pem": text, "client.pem": text, "empty.pem": nil,
		"client.key": pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: encoded}),
	} {
		require.NoError(t, os.WriteFile(filepath.Join(folder, name), content, 0o600))
	}
	return folder
}

// TestEnvironment tries each row of the table. A refused one stops the start with a
// sentence that names the variable; one that is not honoured has one log line that
// names it; of one that is honoured no line speaks. The special effect of a row is
// in effects; otherwise one span arrives at the collector.
func TestEnvironment(t *testing.T) {
	text, err := os.ReadFile("testdata/environment.json")
	require.NoError(t, err)
	var rows []row
	require.NoError(t, json.Unmarshal(text, &rows))
	checks := effects()
	used := map[string]bool{}
	for _, r := range rows {
		name := r.Variable + "=" + r.Value
		t.Run(fmt.Sprint(name, r.With), func(t *testing.T) {
			tr := newTrial(t, r)
			if r.Outcome == "refused" {
				require.ErrorContains(t, tr.err, r.Variable)
				require.ErrorContains(t, tr.err, " is not usable: give ")
				require.NotContains(t, tr.err.Error(), "hush")
				return
			}
			require.NoError(t, tr.err)
			requireNamed(t, tr, r)
			check, special := checks[name]
			if !special {
				require.Len(t, tr.end(t), 1)
			} else {
				used[name] = true
				check(t, tr)
			}
			require.NotContains(t, tr.log.String(), "hush")
			requireNamed(t, tr, r)
		})
	}
	for name := range checks {
		require.True(t, used[name], "no row %s", name)
	}
}

// requireNamed fails unless one line names the variable if it is not honoured.
func requireNamed(t *testing.T, tr *trial, r row) {
	t.Helper()
	lines := tr.log.Lines(t, notHonoured) // which also fails for a line that is not JSON
	if r.Outcome == "honoured" {
		require.Empty(t, lines)
		return
	}
	require.Equal(t, "named", r.Outcome)
	require.Len(t, lines, 1)
	require.Equal(t, "WARN", lines[0]["level"])
	require.Len(t, lines[0]["variables"], 1)
	require.Contains(t, lines[0]["variables"].([]any)[0], r.Variable)
}

// effects are the checks of the rows with a special effect.
func effects() map[string]func(*testing.T, *trial) {
	all := map[string]func(*testing.T, *trial){}
	addServiceEffects(all)
	addPropagatorEffects(all)
	addEndpointEffects(all)
	addExporterEffects(all)
	addBatchEffects(all)
	addLimitEffects(all)
	return all
}

func exportsNothing(t *testing.T, tr *trial) { require.Empty(t, tr.end(t)) }

func addServiceEffects(all map[string]func(*testing.T, *trial)) {
	attributes := func(want map[string]string) func(*testing.T, *trial) {
		return func(t *testing.T, tr *trial) {
			tr.signals.Log.Info("mine")
			require.Len(t, tr.end(t), 1)
			for key, value := range want {
				require.Equal(t, value, tr.attributeOf(key))
				if key == "service.name" || key == "service.namespace" {
					require.Equal(t, value, tr.log.Lines(t, "mine")[0][key], "logs and traces name the service alike")
				}
			}
		}
	}
	all["OTEL_SDK_DISABLED=true"] = exportsNothing
	all["OTEL_SERVICE_NAME=shop"] = attributes(map[string]string{"service.name": "shop", "service.version": "dev"})
	all["OTEL_RESOURCE_ATTRIBUTES=service.name=shop,service.namespace=demo"] =
		attributes(map[string]string{"service.name": "shop", "service.namespace": "demo"})
	all["OTEL_RESOURCE_ATTRIBUTES=k8s.pod.name=a%20b,"] = attributes(map[string]string{"k8s.pod.name": "a b", "service.name": "users-service"})
	all["OTEL_RESOURCE_ATTRIBUTES=k8s.pod.name=a,team=%zz"] = attributes(map[string]string{"k8s.pod.name": "a", "team": "%zz"})
	all["OTEL_RESOURCE_ATTRIBUTES=k8s.pod.name=a,team=%FF"] = attributes(map[string]string{"k8s.pod.name": "a", "team": "\uFFFD"})
	all["OTEL_RESOURCE_ATTRIBUTES=nonsense,k8s.pod.name=a"] = attributes(map[string]string{"k8s.pod.name": "a"})
}

func addPropagatorEffects(all map[string]func(*testing.T, *trial)) {
	const traceID, spanID = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"
	// passes checks that each header is read, and that all of them are written.
	passes := func(headers carrier) func(*testing.T, *trial) {
		return func(t *testing.T, tr *trial) {
			written := carrier{}
			for name, value := range headers {
				one := carrier{name: value}
				if strings.HasPrefix(name, "x-b3-") {
					one = headers
				}
				ctx := tr.signals.Propagator.Extract(t.Context(), one)
				caller := trace.SpanContextFromContext(ctx)
				require.Equal(t, traceID, caller.TraceID().String(), name)
				require.True(t, caller.IsSampled())
				ctx, span := tr.signals.Tracer.Start(ctx, "work")
				span.End()
				tr.signals.Propagator.Inject(ctx, written)
			}
			require.NoError(t, tr.signals.Flush(t.Context()))
			for _, span := range tr.spans() {
				require.Equal(t, traceID, fmt.Sprintf("%x", span.GetTraceId()))
				require.Equal(t, spanID, fmt.Sprintf("%x", span.GetParentSpanId()))
			}
			require.Len(t, tr.spans(), len(headers))
			for name := range headers {
				require.NotEmpty(t, written[name])
			}
			require.Len(t, written, len(headers))
		}
	}
	w3c := carrier{"traceparent": "00-" + traceID + "-" + spanID + "-01"}
	all["OTEL_PROPAGATORS=tracecontext,baggage,b3"] = passes(carrier{"traceparent": w3c["traceparent"], "b3": traceID + "-" + spanID + "-1"})
	all["OTEL_PROPAGATORS=b3multi"] = passes(carrier{"x-b3-traceid": traceID, "x-b3-spanid": spanID, "x-b3-sampled": "1"})
	all["OTEL_PROPAGATORS=jaeger"] = passes(carrier{"uber-trace-id": traceID + ":" + spanID + ":0:1"})
	all["OTEL_PROPAGATORS=tracecontext,xray"] = passes(w3c)
	all["OTEL_PROPAGATORS=none"] = func(t *testing.T, tr *trial) {
		require.Empty(t, tr.signals.Propagator.Fields())
		require.Len(t, tr.end(t), 1)
	}
	all["OTEL_TRACES_SAMPLER=always_off"] = exportsNothing
	all["OTEL_TRACES_SAMPLER=parentbased_always_off"] = func(t *testing.T, tr *trial) {
		ctx, span := tr.signals.Tracer.Start(trace.ContextWithSpanContext(t.Context(), sampledCaller()), "child")
		span.End()
		require.True(t, trace.SpanContextFromContext(ctx).IsSampled())
		spans := tr.end(t)
		require.Len(t, spans, 1)
		require.Equal(t, "child", spans[0].GetName())
	}
	all["OTEL_TRACES_SAMPLER_ARG=0"] = exportsNothing
	all["OTEL_TRACES_EXPORTER=none"] = exportsNothing
}

func addEndpointEffects(all map[string]func(*testing.T, *trial)) {
	arrivesAt := func(path string) func(*testing.T, *trial) {
		return func(t *testing.T, tr *trial) {
			require.Len(t, tr.end(t), 1)
			require.Equal(t, []string{path}, tr.paths)
		}
	}
	all[endpointKey+"=http://collector:4318"] = arrivesAt("/v1/traces")
	all[endpointKey+"=http://collector:4318/base"] = arrivesAt("/base/v1/traces")
	all[endpointKey+"=http://me:hush@collector:4318"] = arrivesAt("/v1/traces")
	all[endpointKey+"=http://collector:4318?tenant=a"] = arrivesAt("/v1/traces")
	all["OTEL_EXPORTER_OTLP_TRACES_ENDPOINT=http://collector:4318/ingest"] = arrivesAt("/ingest")
	all["OTEL_EXPORTER_OTLP_TRACES_ENDPOINT=http://collector:4318"] = arrivesAt("/")
	// The collector of the row has no TLS, so this one takes its place.
	all[endpointKey+"=collector:4317"] = func(t *testing.T, tr *trial) {
		listener, err := net.Listen("tcp", "127.0.0.1:0")
		require.NoError(t, err)
		defer listener.Close()
		tr.env[endpointKey] = listener.Addr().String()
		signals, err := newSignals(t, tr.env, tr.log)
		require.NoError(t, err)
		_, span := signals.Tracer.Start(t.Context(), "work")
		span.End()
		flushed := make(chan struct{})
		go func() { _ = signals.Flush(context.WithoutCancel(t.Context())); close(flushed) }()
		require.NoError(t, listener.(*net.TCPListener).SetDeadline(time.Now().Add(waitTimeout)))
		connection, err := listener.Accept()
		require.NoError(t, err)
		first := make([]byte, 1)
		_, err = connection.Read(first)
		require.NoError(t, err)
		require.Equal(t, byte(22), first[0], "a TLS handshake")
		_ = connection.Close()
		<-flushed
	}
}

func addExporterEffects(all map[string]func(*testing.T, *trial)) {
	withHeader := func(name, value string) func(*testing.T, *trial) {
		return func(t *testing.T, tr *trial) {
			require.Len(t, tr.end(t), 1)
			require.Equal(t, value, tr.headers[0].Get(name))
		}
	}
	all["OTEL_EXPORTER_OTLP_PROTOCOL=http/protobuf"] = withHeader("Content-Type", "application/x-protobuf")
	all["OTEL_EXPORTER_OTLP_PROTOCOL=http/json"] = withHeader("Content-Type", "application/json")
	all["OTEL_EXPORTER_OTLP_TRACES_PROTOCOL=http/json"] = withHeader("Content-Type", "application/json")
	all["OTEL_EXPORTER_OTLP_HEADERS=authorization=Bearer%20hush,x-tenant=a"] = func(t *testing.T, tr *trial) {
		withHeader("Authorization", "Bearer hush")(t, tr)
		require.Equal(t, "a", tr.headers[0].Get("X-Tenant"))
	}
	all["OTEL_EXPORTER_OTLP_HEADERS=authorization:hush,x-tenant=a"] = withHeader("X-Tenant", "a")
	all["OTEL_EXPORTER_OTLP_HEADERS=authorization=%zzhush,x-tenant=a"] = withHeader("X-Tenant", "a")
	all["OTEL_EXPORTER_OTLP_COMPRESSION=gzip"] = withHeader("Content-Encoding", "gzip")
	all["OTEL_EXPORTER_OTLP_COMPRESSION=zstd"] = withHeader("Content-Encoding", "")
	all["OTEL_EXPORTER_OTLP_CLIENT_CERTIFICATE=/certs/client.pem"] = func(t *testing.T, tr *trial) {
		require.Len(t, tr.end(t), 1)
		require.Equal(t, 1, tr.clientCertificates)
	}
	all["OTEL_EXPORTER_OTLP_TIMEOUT=100"] = func(t *testing.T, tr *trial) {
		canceled := make(chan struct{}, 10)
		hanging := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
			_, _ = io.Copy(io.Discard, r.Body) // only then the server sees that the connection is closed
			<-r.Context().Done()
			canceled <- struct{}{}
		}))
		defer hanging.Close()
		tr.env[endpointKey], tr.env["OTEL_BSP_SCHEDULE_DELAY"] = hanging.URL, "1"
		signals, err := newSignals(t, tr.env, tr.log)
		require.NoError(t, err)
		_, span := signals.Tracer.Start(t.Context(), "work")
		span.End()
		start := time.Now()
		<-canceled
		require.Less(t, time.Since(start), 9*time.Second, "the default is 10 s")
		require.Error(t, signals.Flush(t.Context()))
	}
	givesUp := func(t *testing.T, tr *trial) {
		tr.env[endpointKey] = newHangingCollector(t).URL
		tr.env["OTEL_BSP_SCHEDULE_DELAY"] = "1"
		signals, err := newSignals(t, tr.env, tr.log)
		require.NoError(t, err)
		_, span := signals.Tracer.Start(t.Context(), "work")
		span.End()
		require.Eventually(t, func() bool { return len(tr.log.Lines(t, "traces were not exported")) > 0 }, waitTimeout, 10*time.Millisecond)
		require.NoError(t, signals.Flush(t.Context()))
	}
	// An export that is slow, but not for as long as the default allows.
	isPatient := func(t *testing.T, tr *trial) {
		slow := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			time.Sleep(50 * time.Millisecond)
			tr.receive(w, r)
		}))
		defer slow.Close()
		tr.env[endpointKey] = slow.URL
		signals, err := newSignals(t, tr.env, new(telemetrytest.Log))
		require.NoError(t, err)
		tr.signals = signals
		require.Len(t, tr.end(t), 1)
	}
	all["OTEL_BSP_EXPORT_TIMEOUT=100"] = givesUp
	for _, value := range []string{"10s", "0", "-1"} {
		all["OTEL_EXPORTER_OTLP_TIMEOUT="+value] = isPatient
	}
	all["OTEL_BSP_EXPORT_TIMEOUT=forever"] = isPatient
}

// newHangingCollector returns a collector that never responds.
func newHangingCollector(t *testing.T) *httptest.Server {
	t.Helper()
	release := make(chan struct{})
	hanging := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		select {
		case <-release:
		case <-r.Context().Done():
		}
	}))
	t.Cleanup(func() {
		close(release)
		hanging.Close()
	})
	return hanging
}

func addBatchEffects(all map[string]func(*testing.T, *trial)) {
	all["OTEL_BSP_SCHEDULE_DELAY=10"] = func(t *testing.T, tr *trial) {
		_, span := tr.signals.Tracer.Start(t.Context(), "work")
		span.End()
		require.Eventually(t, func() bool { return tr.requestCount() == 1 }, waitTimeout, 10*time.Millisecond)
		require.NoError(t, tr.signals.Flush(t.Context()))
	}
	requestsFor := func(spans, requests int) func(*testing.T, *trial) {
		return func(t *testing.T, tr *trial) {
			for range spans - 1 {
				_, span := tr.signals.Tracer.Start(t.Context(), "work")
				span.End()
			}
			require.Len(t, tr.end(t), spans)
			require.Equal(t, requests, tr.requestCount())
		}
	}
	all["OTEL_BSP_MAX_EXPORT_BATCH_SIZE=1"] = requestsFor(3, 3)
	all["OTEL_BSP_MAX_EXPORT_BATCH_SIZE=0"] = requestsFor(3, 1)
	all["OTEL_BSP_MAX_EXPORT_BATCH_SIZE=4096"] = requestsFor(1000, 1)
	all["OTEL_BSP_MAX_QUEUE_SIZE=none"] = requestsFor(1000, 2)
	all["OTEL_BSP_MAX_QUEUE_SIZE=10"] = func(t *testing.T, tr *trial) {
		tr.env[endpointKey] = newHangingCollector(t).URL
		signals, err := newSignals(t, tr.env, tr.log)
		require.NoError(t, err)
		for range 25 {
			_, span := signals.Tracer.Start(t.Context(), "work")
			span.End()
		}
		require.EqualValues(t, 15, counterValue(t, signals, "otel_sdk_processor_span_processed_total", "queue_full"))
		require.Error(t, signals.Flush(t.Context()))
	}
}

func addLimitEffects(all map[string]func(*testing.T, *trial)) {
	// full ends a span that has three of everything, and returns it as the collector has it.
	full := func(t *testing.T, tr *trial) *tracepb.Span {
		three := []attribute.KeyValue{attribute.String("a", "123"), attribute.String("b", "123"), attribute.String("c", "123")}
		link := trace.Link{SpanContext: sampledCaller(), Attributes: three}
		_, span := tr.signals.Tracer.Start(t.Context(), "full", trace.WithAttributes(three...), trace.WithLinks(link, link, link))
		for range 3 {
			span.AddEvent("event", trace.WithAttributes(three...))
		}
		span.End()
		spans := tr.end(t)
		i := slices.IndexFunc(spans, func(s *tracepb.Span) bool { return s.GetName() == "full" })
		require.GreaterOrEqual(t, i, 0)
		return spans[i]
	}
	count := func(length func(*tracepb.Span) int, want int) func(*testing.T, *trial) {
		return func(t *testing.T, tr *trial) { require.Equal(t, want, length(full(t, tr))) }
	}
	attributes := func(s *tracepb.Span) int { return len(s.GetAttributes()) }
	value := func(s *tracepb.Span) int { return len(s.GetAttributes()[0].GetValue().GetStringValue()) }
	all["OTEL_ATTRIBUTE_VALUE_LENGTH_LIMIT=1"] = count(value, 1)
	all["OTEL_SPAN_ATTRIBUTE_VALUE_LENGTH_LIMIT=1"] = count(value, 1)
	all["OTEL_ATTRIBUTE_COUNT_LIMIT=1"] = count(attributes, 1)
	all["OTEL_SPAN_ATTRIBUTE_COUNT_LIMIT=1"] = count(attributes, 1)
	all["OTEL_SPAN_ATTRIBUTE_COUNT_LIMIT=-1"] = count(attributes, 3)
	all["OTEL_SPAN_EVENT_COUNT_LIMIT=1"] = count(func(s *tracepb.Span) int { return len(s.GetEvents()) }, 1)
	all["OTEL_SPAN_LINK_COUNT_LIMIT=1"] = count(func(s *tracepb.Span) int { return len(s.GetLinks()) }, 1)
	all["OTEL_EVENT_ATTRIBUTE_COUNT_LIMIT=1"] = count(func(s *tracepb.Span) int { return len(s.GetEvents()[0].GetAttributes()) }, 1)
	all["OTEL_LINK_ATTRIBUTE_COUNT_LIMIT=1"] = count(func(s *tracepb.Span) int { return len(s.GetLinks()[0].GetAttributes()) }, 1)
}
