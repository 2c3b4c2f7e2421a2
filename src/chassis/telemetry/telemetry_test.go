package telemetry_test

import (
	"bytes"
	"compress/gzip"
	"context"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"
	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/otel"
	"go.opentelemetry.io/otel/exporters/otlp/otlptrace/otlptracehttp"
	"go.opentelemetry.io/otel/trace"
	collectorpb "go.opentelemetry.io/proto/otlp/collector/trace/v1"
	"go.uber.org/goleak"
	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"

	"tandem/src/chassis/build"
	"tandem/src/chassis/telemetry"
	"tandem/src/testkit/telemetrytest"
)

// waitTimeout is how long a test waits for an expected event.
const waitTimeout = 20 * time.Second

// info are the options of a log from level info upwards.
var info = telemetry.LogOptions{Level: "info"}

// newSignals returns the signals of a service with the environment. It also sets
// the process's environment, because the exporters read it.
func newSignals(t *testing.T, env map[string]string, out io.Writer) (*telemetry.Telemetry, error) {
	t.Helper()
	for name, value := range env {
		t.Setenv(name, value)
	}
	return telemetry.New(t.Context(), build.For("users-service"), info, func(name string) string { return env[name] }, out)
}

// collector is an OTLP collector that keeps the exported spans.
type collector struct {
	*httptest.Server
	mu       sync.Mutex
	requests []*collectorpb.ExportTraceServiceRequest
	paths    []string
	headers  []http.Header

	clientCertificates int
}

func newCollector(t *testing.T) *collector {
	t.Helper()
	c := &collector{}
	c.Server = httptest.NewServer(http.HandlerFunc(c.receive))
	t.Cleanup(c.Close)
	return c
}

func (c *collector) receive(w http.ResponseWriter, r *http.Request) {
	body := io.Reader(r.Body)
	if r.Header.Get("Content-Encoding") == "gzip" {
		unzipped, err := gzip.NewReader(r.Body)
		if err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
			return
		}
		body = unzipped
	}
	text, err := io.ReadAll(body)
	request := &collectorpb.ExportTraceServiceRequest{}
	unmarshal := proto.Unmarshal
	if r.Header.Get("Content-Type") == "application/json" {
		// The IDs are in hexadecimal digits, which this takes as base64; tests do not read them.
		unmarshal = protojson.Unmarshal
	}
	if err != nil || unmarshal(text, request) != nil {
		http.Error(w, "not OTLP", http.StatusBadRequest)
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.requests = append(c.requests, request)
	c.paths = append(c.paths, r.URL.Path)
	c.headers = append(c.headers, r.Header)
	if r.TLS != nil {
		c.clientCertificates += len(r.TLS.PeerCertificates)
	}
}

// received returns the names of all spans and the attributes of their resources.
func (c *collector) received() (spans []string, resource map[string]string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	resource = map[string]string{}
	for _, request := range c.requests {
		for _, group := range request.GetResourceSpans() {
			for _, attribute := range group.GetResource().GetAttributes() {
				resource[attribute.GetKey()] = attribute.GetValue().GetStringValue()
			}
			for _, scope := range group.GetScopeSpans() {
				for _, span := range scope.GetSpans() {
					spans = append(spans, span.GetName())
				}
			}
		}
	}
	return spans, resource
}

func (c *collector) requestCount() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return len(c.requests)
}

// serve returns the URL of a server with the handler.
func serve(t *testing.T, handler http.HandlerFunc) string {
	t.Helper()
	server := httptest.NewServer(handler)
	t.Cleanup(server.Close)
	return server.URL
}

// counterValue returns the value of a counter.
func counterValue(t *testing.T, signals *telemetry.Telemetry, name, errorType string) float64 {
	t.Helper()
	families, err := signals.Registry.Gather()
	require.NoError(t, err)
	for _, family := range families {
		for _, metric := range family.GetMetric() {
			if family.GetName() == name && metric.GetLabel()[0].GetValue() == errorType {
				return metric.GetCounter().GetValue()
			}
		}
	}
	return 0
}

// sampledCaller returns the span context of a caller in another process.
func sampledCaller() trace.SpanContext {
	return trace.NewSpanContext(trace.SpanContextConfig{
		TraceID: trace.TraceID{1}, SpanID: trace.SpanID{2}, TraceFlags: trace.FlagsSampled, Remote: true,
	})
}

func TestTracer(t *testing.T) {
	t.Run("exports nothing and starts no goroutine without an endpoint", func(t *testing.T) {
		ignored := goleak.IgnoreCurrent()
		signals, err := newSignals(t, nil, io.Discard)
		require.NoError(t, err)
		_, span := signals.Tracer.Start(t.Context(), "work")
		require.True(t, span.SpanContext().IsValid(), "log lines and problem details contain IDs")
		require.False(t, span.SpanContext().IsSampled())
		require.False(t, span.IsRecording(), "nobody reads the attributes")
		span.End()
		goleak.VerifyNone(t, ignored)
		require.NoError(t, signals.Flush(t.Context()))
	})

	t.Run("continues the caller's trace without an endpoint", func(t *testing.T) {
		signals, err := newSignals(t, nil, io.Discard)
		require.NoError(t, err)
		caller := sampledCaller()
		_, span := signals.Tracer.Start(trace.ContextWithSpanContext(t.Context(), caller), "work")
		require.Equal(t, caller.TraceID(), span.SpanContext().TraceID())
		require.NotEqual(t, caller.SpanID(), span.SpanContext().SpanID())
		require.True(t, span.SpanContext().IsSampled(), "the caller and users may export the trace")
		require.False(t, span.IsRecording())
	})

	t.Run("passes the caller's flags and state on if nothing is exported", func(t *testing.T) {
		for _, env := range []map[string]string{
			{}, {"OTEL_SDK_DISABLED": "true"}, {"OTEL_TRACES_EXPORTER": "none", "OTEL_EXPORTER_OTLP_ENDPOINT": "http://collector:4318"},
		} {
			for _, flags := range []string{"00", "01", "02", "03"} {
				signals, err := newSignals(t, env, io.Discard)
				require.NoError(t, err)
				in := carrier{"traceparent": "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-" + flags, "tracestate": "vendor=1"}
				ctx, span := signals.Tracer.Start(signals.Propagator.Extract(t.Context(), in), "work")
				span.End()
				out := carrier{}
				signals.Propagator.Inject(ctx, out)
				require.Equal(t, "00-0af7651916cd43dd8448eb211c80319c-"+span.SpanContext().SpanID().String()+"-"+flags, out["traceparent"])
				require.Equal(t, "vendor=1", out["tracestate"])
			}
		}
	})

	t.Run("exports nothing if a variable disables tracing", func(t *testing.T) {
		for _, variable := range [][2]string{
			{"OTEL_SDK_DISABLED", "true"},
			{"OTEL_SDK_DISABLED", "TRUE"},
			{"OTEL_TRACES_EXPORTER", "none"},
			{"OTEL_TRACES_SAMPLER", "always_off"},
		} {
			t.Run(variable[0]+"="+variable[1], func(t *testing.T) {
				c := newCollector(t)
				signals, err := newSignals(t, map[string]string{"OTEL_EXPORTER_OTLP_ENDPOINT": c.URL, variable[0]: variable[1]}, io.Discard)
				require.NoError(t, err)
				_, span := signals.Tracer.Start(t.Context(), "work")
				span.End()
				require.True(t, span.SpanContext().IsValid())
				require.NoError(t, signals.Flush(t.Context()))
				require.Zero(t, c.requestCount())
			})
		}
	})

	t.Run("exports spans and their resource on Flush", func(t *testing.T) {
		c := newCollector(t)
		signals, err := newSignals(t, map[string]string{
			"OTEL_EXPORTER_OTLP_ENDPOINT": c.URL,
			"OTEL_RESOURCE_ATTRIBUTES":    "k8s.pod.name=users-7,k8s.namespace.name=demo",
			"OTEL_BSP_SCHEDULE_DELAY":     "3600000", // only Flush exports
		}, io.Discard)
		require.NoError(t, err)
		for _, name := range []string{"one", "two"} {
			_, span := signals.Tracer.Start(t.Context(), name)
			require.True(t, span.SpanContext().IsSampled())
			span.End()
		}
		require.Zero(t, c.requestCount())
		require.NoError(t, signals.Flush(t.Context()))

		spans, resource := c.received()
		require.ElementsMatch(t, []string{"one", "two"}, spans)
		require.Equal(t, []string{"/v1/traces"}, c.paths)
		require.Equal(t, "users-service", resource["service.name"])
		require.Equal(t, "dev", resource["service.version"])
		require.Equal(t, "users-7", resource["k8s.pod.name"])
		require.Equal(t, "demo", resource["k8s.namespace.name"])
		require.Equal(t, "opentelemetry", resource["telemetry.sdk.name"])
	})

	t.Run("uses OTEL_EXPORTER_OTLP_TRACES_ENDPOINT as the whole URL", func(t *testing.T) {
		c := newCollector(t)
		signals, err := newSignals(t, map[string]string{"OTEL_EXPORTER_OTLP_TRACES_ENDPOINT": c.URL + "/ingest"}, io.Discard)
		require.NoError(t, err)
		_, span := signals.Tracer.Start(t.Context(), "work")
		span.End()
		require.NoError(t, signals.Flush(t.Context()))
		require.Equal(t, []string{"/ingest"}, c.paths)
	})

	t.Run("uses the sampler of the environment", func(t *testing.T) {
		c := newCollector(t)
		signals, err := newSignals(t, map[string]string{
			"OTEL_EXPORTER_OTLP_ENDPOINT": c.URL, "OTEL_TRACES_SAMPLER": "parentbased_traceidratio", "OTEL_TRACES_SAMPLER_ARG": "0",
		}, io.Discard)
		require.NoError(t, err)
		_, span := signals.Tracer.Start(t.Context(), "root span")
		require.False(t, span.SpanContext().IsSampled())
		span.End()
		caller := sampledCaller()
		_, span = signals.Tracer.Start(trace.ContextWithSpanContext(t.Context(), caller), "child of a sampled span")
		require.True(t, span.SpanContext().IsSampled())
		span.End()
		require.NoError(t, signals.Flush(t.Context()))
		spans, _ := c.received()
		require.Equal(t, []string{"child of a sampled span"}, spans)
	})

	t.Run("drops and counts spans that exceed the queue", func(t *testing.T) {
		const queueSize, ended = 10, 25
		release := make(chan struct{})
		hanging := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { <-release }))
		defer hanging.Close()
		env := map[string]string{"OTEL_EXPORTER_OTLP_ENDPOINT": hanging.URL, "OTEL_BSP_MAX_QUEUE_SIZE": strconv.Itoa(queueSize)}
		log := new(telemetrytest.Log)
		signals, err := newSignals(t, env, log)
		require.NoError(t, err)
		for range ended {
			_, span := signals.Tracer.Start(t.Context(), "work")
			span.End()
		}
		require.EqualValues(t, queueSize, counterValue(t, signals, "otel_sdk_processor_span_processed_total", ""))
		require.EqualValues(t, ended-queueSize, counterValue(t, signals, "otel_sdk_processor_span_processed_total", "queue_full"))
		close(release)
		require.NoError(t, signals.Flush(t.Context()))
		require.Len(t, log.Lines(t, "traces were dropped, because the queue was full"), 1)
		require.EqualValues(t, ended-queueSize, log.Lines(t, "traces were dropped, because the queue was full")[0]["spans"])
		require.EqualValues(t, queueSize, counterValue(t, signals, "otel_sdk_exporter_span_exported_total", ""))
		problems, err := testutil.GatherAndLint(signals.Registry,
			"otel_sdk_processor_span_processed_total", "otel_sdk_exporter_span_exported_total")
		require.NoError(t, err)
		require.Empty(t, problems)
	})

	t.Run("logs a failed export", func(t *testing.T) {
		refusing := httptest.NewServer(http.NotFoundHandler())
		defer refusing.Close()
		log := new(telemetrytest.Log)
		signals, err := newSignals(t, map[string]string{"OTEL_EXPORTER_OTLP_ENDPOINT": refusing.URL, "OTEL_BSP_SCHEDULE_DELAY": "1"}, log)
		require.NoError(t, err)
		_, span := signals.Tracer.Start(t.Context(), "work")
		span.End()
		require.Eventually(t, func() bool { return len(log.Lines(t, "traces were not exported")) > 0 }, waitTimeout, 10*time.Millisecond)
		require.Equal(t, "WARN", log.Lines(t, "traces were not exported")[0]["level"])
		_ = signals.Flush(t.Context())
	})

	t.Run("counts what a collector rejects of an export", func(t *testing.T) {
		for rejected, message := range map[int64]string{2: "too (many) spans", 0: "a warning", 3: ""} {
			partial := &collectorpb.ExportTracePartialSuccess{RejectedSpans: rejected, ErrorMessage: message}
			body, err := proto.Marshal(&collectorpb.ExportTraceServiceResponse{PartialSuccess: partial})
			require.NoError(t, err)
			url := serve(t, func(w http.ResponseWriter, _ *http.Request) {
				w.Header().Set("Content-Type", "application/x-protobuf")
				_, _ = w.Write(body)
			})
			log := new(telemetrytest.Log)
			signals, err := newSignals(t, map[string]string{"OTEL_EXPORTER_OTLP_ENDPOINT": url}, log)
			require.NoError(t, err)
			for range 3 {
				_, span := signals.Tracer.Start(t.Context(), "work")
				span.End()
			}
			err = signals.Flush(t.Context())
			lost, ok := errors.AsType[*telemetry.LostSpansError](err)
			require.Equal(t, rejected > 0, ok)
			if ok {
				require.Equal(t, rejected, lost.Spans)
			}
			require.EqualValues(t, rejected, counterValue(t, signals, "otel_sdk_exporter_span_exported_total", "export_failed"))
			require.EqualValues(t, 3-rejected, counterValue(t, signals, "otel_sdk_exporter_span_exported_total", ""))
			warned := len(log.Lines(t, "the collector has taken all traces, with a warning")) == 1
			require.Equal(t, rejected == 0, warned, log.String())
		}
	})

	t.Run("exports over gRPC if OTEL_EXPORTER_OTLP_PROTOCOL says so", func(t *testing.T) {
		signals, err := newSignals(t, map[string]string{
			"OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:1", "OTEL_EXPORTER_OTLP_PROTOCOL": "grpc",
		}, io.Discard)
		require.NoError(t, err)
		_, span := signals.Tracer.Start(t.Context(), "work")
		require.True(t, span.SpanContext().IsSampled())
		require.NoError(t, signals.Flush(t.Context()), "no span has ended, so there is nothing to export")
	})
}

func TestFlush(t *testing.T) {
	t.Run("gives up on a collector that hangs", func(t *testing.T) {
		signals, err := newSignals(t, map[string]string{"OTEL_EXPORTER_OTLP_ENDPOINT": newHangingCollector(t).URL}, io.Discard)
		require.NoError(t, err)
		_, span := signals.Tracer.Start(t.Context(), "work")
		span.End()
		start := time.Now()
		require.ErrorContains(t, signals.Flush(t.Context()), "flush traces within 3s")
		require.Less(t, time.Since(start), telemetry.FlushTimeout+2*time.Second)
	})

	t.Run("says how many spans are lost", func(t *testing.T) {
		const spans = 7
		status := func(retryAfter string) http.HandlerFunc {
			return func(w http.ResponseWriter, _ *http.Request) {
				w.Header().Set("Retry-After", retryAfter)
				w.WriteHeader(http.StatusServiceUnavailable)
			}
		}
		away := httptest.NewServer(nil)
		away.Close()
		for name, tt := range map[string]struct {
			endpoint, protocol, errorType string
			slow                          bool
		}{
			"503 with a long Retry-After":  {serve(t, status("3600")), "", "export_failed", false},
			"503 with a short Retry-After": {serve(t, status("10")), "", "timeout", true},
			"400":                          {serve(t, func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(400) }), "", "export_failed", false},
			"away":                         {away.URL, "", "export_failed", false},
			"away, over gRPC":              {away.URL, "grpc", "timeout", true},
			"hanging":                      {newHangingCollector(t).URL, "", "timeout", true},
		} {
			t.Run(name, func(t *testing.T) {
				t.Parallel()
				env := map[string]string{
					"OTEL_EXPORTER_OTLP_ENDPOINT": tt.endpoint, "OTEL_EXPORTER_OTLP_PROTOCOL": tt.protocol, "OTEL_BSP_SCHEDULE_DELAY": "3600000",
				}
				log := new(telemetrytest.Log)
				signals, err := telemetry.New(t.Context(), build.For("users-service"), info, func(name string) string { return env[name] }, log)
				require.NoError(t, err)
				for range spans {
					_, span := signals.Tracer.Start(t.Context(), "work")
					span.End()
				}
				start := time.Now()
				err = signals.Flush(t.Context())
				require.Less(t, time.Since(start), telemetry.FlushTimeout+2*time.Second)
				require.Equal(t, tt.slow, time.Since(start) > telemetry.FlushTimeout-time.Second)
				lost, ok := errors.AsType[*telemetry.LostSpansError](err)
				require.True(t, ok, "%v", err)
				require.EqualValues(t, spans, lost.Spans)
				require.EqualValues(t, spans, counterValue(t, signals, "otel_sdk_exporter_span_exported_total", tt.errorType))
				require.Empty(t, log.Lines(t, "traces were not exported"), "the caller logs the number once")
			})
		}
	})

	t.Run("ends the export that it gives up", func(t *testing.T) {
		hanging := newHangingCollector(t)
		ignored := goleak.IgnoreCurrent()
		signals, err := newSignals(t, map[string]string{"OTEL_EXPORTER_OTLP_ENDPOINT": hanging.URL}, io.Discard)
		require.NoError(t, err)
		_, span := signals.Tracer.Start(t.Context(), "work")
		span.End()
		require.Error(t, signals.Flush(t.Context()))
		goleak.VerifyNone(t, ignored, goleak.IgnoreAnyFunction("net/http.(*persistConn).readLoop"),
			goleak.IgnoreAnyFunction("net/http.(*persistConn).writeLoop"), goleak.IgnoreAnyFunction("net/http.(*conn).serve"))
	})
}

func TestNew(t *testing.T) {
	t.Run("names an invalid variable in one sentence without secrets", func(t *testing.T) {
		for want, env := range map[string]map[string]string{
			`OTEL_TRACES_EXPORTER="zipkin" is not usable: give otlp or none`: {"OTEL_TRACES_EXPORTER": "zipkin"},
			`OTEL_EXPORTER_OTLP_TRACES_PROTOCOL="pigeon" is not usable: give http/protobuf, http/json or grpc`: {
				"OTEL_EXPORTER_OTLP_ENDPOINT": "http://collector:4318", "OTEL_EXPORTER_OTLP_TRACES_PROTOCOL": "pigeon",
			},
			`OTEL_EXPORTER_OTLP_TRACES_ENDPOINT is not usable: give a URL like http://collector:4318`: {
				"OTEL_EXPORTER_OTLP_TRACES_ENDPOINT": "http://me:hush@[collector", "OTEL_EXPORTER_OTLP_ENDPOINT": "http://collector:4318",
			},
		} {
			_, err := newSignals(t, env, io.Discard)
			require.EqualError(t, err, "set up tracing from the OTEL_ variables: "+want)
			for name := range env {
				require.NoError(t, os.Unsetenv(name))
			}
		}
	})

	t.Run("names everything that is not honoured in one line", func(t *testing.T) {
		log := new(telemetrytest.Log)
		_, err := newSignals(t, map[string]string{
			"OTEL_PROPAGATORS": "tracecontext,baggage,b3,xray", "OTEL_RESOURCE_ATTRIBUTES": "a=b,c=%", "OTEL_TRACES_SAMPLER": "xray",
			"OTEL_INSTRUMENTATION_HTTP_KNOWN_METHODS": "GET",
		}, log)
		require.NoError(t, err)
		require.Len(t, log.Lines(t, notHonoured), 1)
		require.Len(t, log.Lines(t, notHonoured)[0]["variables"], 4)
		require.Equal(t, "users-service", log.Lines(t, notHonoured)[0]["service.name"])
	})

	t.Run("makes messages of OpenTelemetry lines of the log", func(t *testing.T) {
		log := new(telemetrytest.Log)
		_, err := newSignals(t, nil, log)
		require.NoError(t, err)
		otel.Handle(errors.New("something"))
		require.Len(t, log.Lines(t, "OpenTelemetry reports an error"), 1)
		otlptracehttp.NewClient(otlptracehttp.WithEndpointURL("http://[broken")) // logs an error
		require.Len(t, log.Lines(t, "otlptrace: parse endpoint url"), 1)
		require.Equal(t, "ERROR", log.Lines(t, "otlptrace: parse endpoint url")[0]["level"])
		require.Equal(t, "users-service", log.Lines(t, "otlptrace: parse endpoint url")[0]["service.name"])
	})

	t.Run("returns the error of the log level", func(t *testing.T) {
		_, err := telemetry.New(t.Context(), build.For("x"), telemetry.LogOptions{Level: "loud"}, func(string) string { return "" }, io.Discard)
		require.ErrorContains(t, err, "log level")
	})
}

func TestPropagator(t *testing.T) {
	t.Run("continues a trace whose flags it does not know", func(t *testing.T) {
		signals, _ := telemetrytest.New(t)
		for flags, want := range map[string]string{
			"00": "00", "01": "01", "02": "02", "03": "03", "04": "00", "05": "01", "08": "00", "0f": "03", "fe": "02", "ff": "03",
		} {
			in := carrier{"traceparent": "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-" + flags, "tracestate": "vendor=1"}
			caller := trace.SpanContextFromContext(signals.Propagator.Extract(context.Background(), in))
			require.Equal(t, "0af7651916cd43dd8448eb211c80319c", caller.TraceID().String(), flags)
			require.Equal(t, want, caller.TraceFlags().String(), flags)
			require.Equal(t, "vendor=1", caller.TraceState().String())
		}
	})

	t.Run("starts a trace if the header is broken", func(t *testing.T) {
		signals, _ := telemetrytest.New(t)
		for _, parent := range []string{
			"", "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-", "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-0x",
			"00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-04-extra", "00-00000000000000000000000000000000-b7ad6b7169203331-04",
			"ff-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-04", "00-0AF7651916cd43dd8448eb211c80319c-b7ad6b7169203331-04",
			"00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-0F", "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-+4",
		} {
			ctx := signals.Propagator.Extract(context.Background(), carrier{"traceparent": parent})
			require.False(t, trace.SpanContextFromContext(ctx).IsValid(), parent)
		}
	})

	t.Run("reads trace context and baggage by default", func(t *testing.T) {
		signals, _ := telemetrytest.New(t)
		require.ElementsMatch(t, []string{"traceparent", "tracestate", "baggage"}, signals.Propagator.Fields())
		ctx := signals.Propagator.Extract(context.Background(), carrier{"traceparent": "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"})
		require.Equal(t, "0af7651916cd43dd8448eb211c80319c", trace.SpanContextFromContext(ctx).TraceID().String())
	})
}

// parseLog returns the members of each log line.
func parseLog(t *testing.T, text []byte) (lines []map[string]any) {
	t.Helper()
	for _, line := range bytes.Split(bytes.TrimSpace(text), []byte("\n")) {
		var members map[string]any
		require.NoError(t, json.Unmarshal(line, &members), "%s", line)
		lines = append(lines, members)
	}
	return lines
}

func TestLog(t *testing.T) {
	t.Run("adds the IDs of the span to a line", func(t *testing.T) {
		var out bytes.Buffer
		signals, err := newSignals(t, nil, &out)
		require.NoError(t, err)
		ctx, span := signals.Tracer.Start(t.Context(), "work")
		signals.Log.InfoContext(ctx, "within")
		signals.Log.With(slog.Int("n", 1)).InfoContext(ctx, "with more")
		signals.Log.Info("outside")
		signals.Log.DebugContext(ctx, "below the level")

		got := parseLog(t, out.Bytes())
		require.Len(t, got, 3)
		for _, line := range got[:2] {
			require.Equal(t, span.SpanContext().TraceID().String(), line["trace_id"])
			require.Equal(t, span.SpanContext().SpanID().String(), line["span_id"])
		}
		require.NotContains(t, got[2], "trace_id")
		for _, line := range got {
			require.Equal(t, "users-service", line["service.name"])
		}
	})
}

func TestRegistry(t *testing.T) {
	t.Run("has build and runtime metrics", func(t *testing.T) {
		signals, _ := telemetrytest.New(t)
		series, err := testutil.GatherAndCount(signals.Registry, "build_info", "go_goroutines", "process_start_time_seconds")
		require.NoError(t, err)
		require.Equal(t, 3, series)
		problems, err := testutil.GatherAndLint(signals.Registry, "build_info")
		require.NoError(t, err)
		require.Empty(t, problems)
	})
}

func TestObserve(t *testing.T) {
	t.Run("adds an exemplar only for a sampled span", func(t *testing.T) {
		for name, tt := range map[string]struct {
			flags trace.TraceFlags
			want  int
		}{"sampled": {trace.FlagsSampled, 1}, "not sampled": {0, 0}} {
			t.Run(name, func(t *testing.T) {
				histogram := prometheus.NewHistogram(telemetry.DurationOpts("x_seconds", "x"))
				registry := prometheus.NewRegistry()
				registry.MustRegister(histogram)
				span := trace.NewSpanContext(trace.SpanContextConfig{TraceID: trace.TraceID{1}, SpanID: trace.SpanID{2}, TraceFlags: tt.flags})
				telemetry.Observe(histogram, 30*time.Millisecond, span)

				families, err := registry.Gather()
				require.NoError(t, err)
				got := families[0].GetMetric()[0].GetHistogram()
				require.EqualValues(t, 1, got.GetSampleCount())
				require.Len(t, got.GetBucket(), 14)
				require.NotEmpty(t, got.GetPositiveSpan(), "it is also a native histogram")
				exemplars := 0
				for _, bucket := range got.GetBucket() {
					for _, label := range bucket.GetExemplar().GetLabel() {
						require.Equal(t, "trace_id", label.GetName())
						require.Equal(t, span.TraceID().String(), label.GetValue())
						exemplars++
					}
				}
				require.Equal(t, tt.want, exemplars)
			})
		}
	})
}

type carrier map[string]string

func (c carrier) Get(key string) string { return c[key] }
func (c carrier) Set(key, value string) { c[key] = value }
func (c carrier) Keys() []string        { return nil }
