package telemetry_test

import (
	"bytes"
	"compress/gzip"
	"context"
	"encoding/json"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"
	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/otel/trace"
	collector "go.opentelemetry.io/proto/otlp/collector/trace/v1"
	"go.uber.org/goleak"
	"google.golang.org/protobuf/proto"

	"tandem/src/chassis/build"
	"tandem/src/chassis/telemetry"
	"tandem/src/testkit/telemetrytest"
)

// patience is how long a test waits for what must come about.
const patience = 20 * time.Second

// with returns signals under an environment. It is the process's environment
// too, because the exporters read the rest of their variables there.
func with(t *testing.T, env map[string]string, out io.Writer) (*telemetry.Telemetry, error) {
	t.Helper()
	for name, value := range env {
		t.Setenv(name, value)
	}
	return telemetry.New(t.Context(), build.For("users-service"), "info", func(name string) string { return env[name] }, out)
}

// collect is a collector that keeps what is exported to it.
type collect struct {
	*httptest.Server
	mu       sync.Mutex
	requests []*collector.ExportTraceServiceRequest
	paths    []string
}

func newCollector(t *testing.T) *collect {
	t.Helper()
	c := &collect{}
	c.Server = httptest.NewServer(http.HandlerFunc(c.receive))
	t.Cleanup(c.Close)
	return c
}

func (c *collect) receive(w http.ResponseWriter, r *http.Request) {
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
	request := &collector.ExportTraceServiceRequest{}
	if err != nil || proto.Unmarshal(text, request) != nil {
		http.Error(w, "not OTLP", http.StatusBadRequest)
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.requests = append(c.requests, request)
	c.paths = append(c.paths, r.URL.Path)
}

// received are the names of all spans, and the attributes of their resource.
func (c *collect) received() (spans []string, resource map[string]string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	resource = map[string]string{}
	for _, request := range c.requests {
		for _, of := range request.GetResourceSpans() {
			for _, attribute := range of.GetResource().GetAttributes() {
				resource[attribute.GetKey()] = attribute.GetValue().GetStringValue()
			}
			for _, scope := range of.GetScopeSpans() {
				for _, span := range scope.GetSpans() {
					spans = append(spans, span.GetName())
				}
			}
		}
	}
	return spans, resource
}

func (c *collect) asked() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return len(c.requests)
}

func TestWithoutAnEndpointNothingIsExportedAndNoGoroutineStays(t *testing.T) {
	already := goleak.IgnoreCurrent()
	signals, err := with(t, nil, io.Discard)
	require.NoError(t, err)
	_, span := signals.Tracer.Start(t.Context(), "work")
	require.True(t, span.SpanContext().IsValid(), "logs and problems carry ids all the same")
	require.False(t, span.SpanContext().IsSampled())
	require.False(t, span.IsRecording(), "attributes would be built for nobody")
	span.End()
	goleak.VerifyNone(t, already)
	require.NoError(t, signals.Flush(t.Context()))
}

func TestWithoutAnEndpointTheCallersTraceGoesOn(t *testing.T) {
	signals, err := with(t, nil, io.Discard)
	require.NoError(t, err)
	caller := trace.NewSpanContext(trace.SpanContextConfig{TraceID: trace.TraceID{1}, SpanID: trace.SpanID{2}, TraceFlags: trace.FlagsSampled, Remote: true})
	_, span := signals.Tracer.Start(trace.ContextWithSpanContext(t.Context(), caller), "work")
	require.Equal(t, caller.TraceID(), span.SpanContext().TraceID())
	require.NotEqual(t, caller.SpanID(), span.SpanContext().SpanID())
	require.False(t, span.SpanContext().IsSampled(), "it is not kept here")
}

func TestWhatSwitchesTracingOffLeavesTheCollectorAlone(t *testing.T) {
	for _, off := range [][2]string{
		{"OTEL_SDK_DISABLED", "true"},
		{"OTEL_SDK_DISABLED", "TRUE"},
		{"OTEL_TRACES_EXPORTER", "none"},
		{"OTEL_TRACES_SAMPLER", "always_off"},
	} {
		t.Run(off[0]+"="+off[1], func(t *testing.T) {
			c := newCollector(t)
			signals, err := with(t, map[string]string{"OTEL_EXPORTER_OTLP_ENDPOINT": c.URL, off[0]: off[1]}, io.Discard)
			require.NoError(t, err)
			_, span := signals.Tracer.Start(t.Context(), "work")
			span.End()
			require.True(t, span.SpanContext().IsValid())
			require.NoError(t, signals.Flush(t.Context()))
			require.Zero(t, c.asked())
		})
	}
}

func TestSpansArriveOnFlushWithTheirResource(t *testing.T) {
	c := newCollector(t)
	signals, err := with(t, map[string]string{
		"OTEL_EXPORTER_OTLP_ENDPOINT": c.URL,
		"OTEL_RESOURCE_ATTRIBUTES":    "k8s.pod.name=users-7,k8s.namespace.name=demo",
		"OTEL_BSP_SCHEDULE_DELAY":     "3600000", // nothing but Flush sends
	}, io.Discard)
	require.NoError(t, err)
	for _, name := range []string{"one", "two"} {
		_, span := signals.Tracer.Start(t.Context(), name)
		require.True(t, span.SpanContext().IsSampled())
		span.End()
	}
	require.Zero(t, c.asked())
	require.NoError(t, signals.Flush(t.Context()))

	spans, resource := c.received()
	require.ElementsMatch(t, []string{"one", "two"}, spans)
	require.Equal(t, []string{"/v1/traces"}, c.paths)
	require.Equal(t, "users-service", resource["service.name"])
	require.Equal(t, "dev", resource["service.version"])
	require.Equal(t, "users-7", resource["k8s.pod.name"])
	require.Equal(t, "demo", resource["k8s.namespace.name"])
	require.Equal(t, "opentelemetry", resource["telemetry.sdk.name"])
}

func TestTheVariableForTracesAloneNamesTheWholePath(t *testing.T) {
	c := newCollector(t)
	signals, err := with(t, map[string]string{"OTEL_EXPORTER_OTLP_TRACES_ENDPOINT": c.URL + "/ingest"}, io.Discard)
	require.NoError(t, err)
	_, span := signals.Tracer.Start(t.Context(), "work")
	span.End()
	require.NoError(t, signals.Flush(t.Context()))
	require.Equal(t, []string{"/ingest"}, c.paths)
}

func TestTheSamplerIsTheOneOfTheEnvironment(t *testing.T) {
	c := newCollector(t)
	signals, err := with(t, map[string]string{
		"OTEL_EXPORTER_OTLP_ENDPOINT": c.URL, "OTEL_TRACES_SAMPLER": "parentbased_traceidratio", "OTEL_TRACES_SAMPLER_ARG": "0",
	}, io.Discard)
	require.NoError(t, err)
	_, span := signals.Tracer.Start(t.Context(), "nobody's child")
	require.False(t, span.SpanContext().IsSampled())
	span.End()
	caller := trace.NewSpanContext(trace.SpanContextConfig{TraceID: trace.TraceID{1}, SpanID: trace.SpanID{2}, TraceFlags: trace.FlagsSampled, Remote: true})
	_, span = signals.Tracer.Start(trace.ContextWithSpanContext(t.Context(), caller), "child of a kept one")
	require.True(t, span.SpanContext().IsSampled())
	span.End()
	require.NoError(t, signals.Flush(t.Context()))
	spans, _ := c.received()
	require.Equal(t, []string{"child of a kept one"}, spans)
}

func TestFlushGivesUpOnACollectorThatHangs(t *testing.T) {
	release := make(chan struct{})
	hanging := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		select {
		case <-release:
		case <-r.Context().Done():
		}
	}))
	defer hanging.Close()
	defer close(release)
	signals, err := with(t, map[string]string{"OTEL_EXPORTER_OTLP_ENDPOINT": hanging.URL}, io.Discard)
	require.NoError(t, err)
	_, span := signals.Tracer.Start(t.Context(), "work")
	span.End()
	began := time.Now()
	require.ErrorContains(t, signals.Flush(t.Context()), "flush traces within 3s")
	require.Less(t, time.Since(began), telemetry.FlushTimeout+2*time.Second)
}

func TestAFailedExportIsLogged(t *testing.T) {
	refusing := httptest.NewServer(http.NotFoundHandler())
	defer refusing.Close()
	log := new(telemetrytest.Log)
	signals, err := with(t, map[string]string{"OTEL_EXPORTER_OTLP_ENDPOINT": refusing.URL, "OTEL_BSP_SCHEDULE_DELAY": "1"}, log)
	require.NoError(t, err)
	_, span := signals.Tracer.Start(t.Context(), "work")
	span.End()
	require.Eventually(t, func() bool { return len(log.Lines(t, "traces were not exported")) > 0 }, patience, 10*time.Millisecond)
	require.Equal(t, "WARN", log.Lines(t, "traces were not exported")[0]["level"])
	_ = signals.Flush(t.Context())
}

func TestABadVariableGivesASentence(t *testing.T) {
	const prefix = "set up tracing from the OTEL_ variables: "
	tests := map[string]struct {
		env  map[string]string
		want string
	}{
		"unknown exporter": {
			map[string]string{"OTEL_TRACES_EXPORTER": "zipkin"},
			prefix + `OTEL_TRACES_EXPORTER="zipkin" is not usable: give otlp or none`,
		},
		"unknown protocol": {
			map[string]string{"OTEL_EXPORTER_OTLP_ENDPOINT": "http://collector:4318", "OTEL_EXPORTER_OTLP_PROTOCOL": "carrier-pigeon"},
			prefix + `OTEL_EXPORTER_OTLP_PROTOCOL="carrier-pigeon" is not usable: give http/protobuf or grpc`,
		},
		"unknown protocol of traces": {
			map[string]string{"OTEL_EXPORTER_OTLP_ENDPOINT": "http://collector:4318", "OTEL_EXPORTER_OTLP_PROTOCOL": "grpc", "OTEL_EXPORTER_OTLP_TRACES_PROTOCOL": "http/json"},
			prefix + `OTEL_EXPORTER_OTLP_PROTOCOL="http/json" is not usable: give http/protobuf or grpc`,
		},
		"unknown propagator": {
			map[string]string{"OTEL_PROPAGATORS": "tracecontext,b3"},
			prefix + `OTEL_PROPAGATORS="tracecontext,b3" is not usable: give tracecontext, baggage, both with a comma, or none`,
		},
		"queue of no size": {
			map[string]string{"OTEL_EXPORTER_OTLP_ENDPOINT": "http://collector:4318", "OTEL_BSP_MAX_QUEUE_SIZE": "none"},
			prefix + `OTEL_BSP_MAX_QUEUE_SIZE="none" is not usable: give a number of spans`,
		},
		"endpoint without a scheme": {
			map[string]string{"OTEL_EXPORTER_OTLP_ENDPOINT": "collector:4318"},
			prefix + `OTEL_EXPORTER_OTLP_ENDPOINT is not usable: give a URL like http://collector:4318`,
		},
		"endpoint that is no URL": {
			map[string]string{"OTEL_EXPORTER_OTLP_TRACES_ENDPOINT": "http://me:hush@[collector"},
			prefix + `OTEL_EXPORTER_OTLP_ENDPOINT is not usable: give a URL like http://collector:4318`,
		},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			_, err := with(t, tt.env, io.Discard)
			require.EqualError(t, err, tt.want)
		})
	}
	t.Run("resource attributes", func(t *testing.T) {
		_, err := with(t, map[string]string{"OTEL_EXPORTER_OTLP_ENDPOINT": "http://collector:4318", "OTEL_RESOURCE_ATTRIBUTES": "nonsense"}, io.Discard)
		require.ErrorContains(t, err, "OTEL_RESOURCE_ATTRIBUTES")
	})
	t.Run("log level", func(t *testing.T) {
		_, err := telemetry.New(t.Context(), build.For("x"), "loud", func(string) string { return "" }, io.Discard)
		require.ErrorContains(t, err, "log level")
	})
}

func TestASpanForWhichThereIsNoRoomIsDroppedAndCounted(t *testing.T) {
	const most, ended = 10, 25
	release := make(chan struct{})
	hanging := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { <-release }))
	defer hanging.Close()
	signals, err := with(t, map[string]string{"OTEL_EXPORTER_OTLP_ENDPOINT": hanging.URL, "OTEL_BSP_MAX_QUEUE_SIZE": strconv.Itoa(most)}, io.Discard)
	require.NoError(t, err)
	for range ended {
		_, span := signals.Tracer.Start(t.Context(), "work")
		span.End()
	}
	counted := func(name, errorType string) float64 {
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
	require.EqualValues(t, most, counted("otel_sdk_processor_span_processed_total", ""))
	require.EqualValues(t, ended-most, counted("otel_sdk_processor_span_processed_total", "queue_full"))
	close(release)
	require.NoError(t, signals.Flush(t.Context()))
	require.EqualValues(t, most, counted("otel_sdk_exporter_span_exported_total", ""))
	problems, err := testutil.GatherAndLint(signals.Registry, "otel_sdk_processor_span_processed_total", "otel_sdk_exporter_span_exported_total")
	require.NoError(t, err)
	require.Empty(t, problems)
}

func TestThePropagatorsAreThoseOfTheEnvironment(t *testing.T) {
	for names, want := range map[string][]string{
		"baggage": {"baggage"}, "none": {}, "tracecontext, baggage": {"traceparent", "tracestate", "baggage"},
	} {
		signals, err := with(t, map[string]string{"OTEL_PROPAGATORS": names}, io.Discard)
		require.NoError(t, err)
		require.ElementsMatch(t, want, signals.Propagator.Fields(), names)
	}
}

func TestGrpcIsSpokenWhereAskedFor(t *testing.T) {
	signals, err := with(t, map[string]string{
		"OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:1", "OTEL_EXPORTER_OTLP_PROTOCOL": "grpc",
	}, io.Discard)
	require.NoError(t, err)
	_, span := signals.Tracer.Start(t.Context(), "work")
	require.True(t, span.SpanContext().IsSampled())
	require.NoError(t, signals.Flush(t.Context()), "nothing has ended, so nothing is lost")
}

// lines parses a log.
func lines(t *testing.T, text []byte) (lines []map[string]any) {
	t.Helper()
	for _, line := range bytes.Split(bytes.TrimSpace(text), []byte("\n")) {
		var members map[string]any
		require.NoError(t, json.Unmarshal(line, &members), "%s", line)
		lines = append(lines, members)
	}
	return lines
}

func TestALogLineCarriesTheIdsOfItsSpan(t *testing.T) {
	var out bytes.Buffer
	signals, err := with(t, nil, &out)
	require.NoError(t, err)
	ctx, span := signals.Tracer.Start(t.Context(), "work")
	signals.Log.InfoContext(ctx, "within")
	signals.Log.With(slog.Int("n", 1)).InfoContext(ctx, "with more")
	signals.Log.Info("outside")
	signals.Log.DebugContext(ctx, "below the level")

	got := lines(t, out.Bytes())
	require.Len(t, got, 3)
	for _, line := range got[:2] {
		require.Equal(t, span.SpanContext().TraceID().String(), line["trace_id"])
		require.Equal(t, span.SpanContext().SpanID().String(), line["span_id"])
	}
	require.NotContains(t, got[2], "trace_id")
	for _, line := range got {
		require.Equal(t, "users-service", line["service.name"])
	}
}

func TestTheRegistryTellsWhatWasBuilt(t *testing.T) {
	signals, _ := telemetrytest.New(t)
	facts, err := testutil.GatherAndCount(signals.Registry, "build_info", "go_goroutines", "process_start_time_seconds")
	require.NoError(t, err)
	require.Equal(t, 3, facts)
	problems, err := testutil.GatherAndLint(signals.Registry, "build_info")
	require.NoError(t, err)
	require.Empty(t, problems)
}

func TestAnExemplarLeadsOnlyToATraceThatIsKept(t *testing.T) {
	for name, tt := range map[string]struct {
		flags trace.TraceFlags
		want  int
	}{"kept": {trace.FlagsSampled, 1}, "not kept": {0, 0}} {
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
			require.NotEmpty(t, got.GetPositiveSpan(), "a native histogram, too")
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
}

func TestTheCallersBaggageAndTraceAreUnderstood(t *testing.T) {
	signals, _ := telemetrytest.New(t)
	require.ElementsMatch(t, []string{"traceparent", "tracestate", "baggage"}, signals.Propagator.Fields())
	ctx := signals.Propagator.Extract(context.Background(), carrier{"traceparent": "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"})
	require.Equal(t, "0af7651916cd43dd8448eb211c80319c", trace.SpanContextFromContext(ctx).TraceID().String())
}

type carrier map[string]string

func (c carrier) Get(key string) string { return c[key] }
func (c carrier) Set(key, value string) { c[key] = value }
func (c carrier) Keys() []string        { return nil }
