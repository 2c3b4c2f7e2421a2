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
	collectorpb "go.opentelemetry.io/proto/otlp/collector/trace/v1"
	"go.uber.org/goleak"
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
	if err != nil || proto.Unmarshal(text, request) != nil {
		http.Error(w, "not OTLP", http.StatusBadRequest)
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.requests = append(c.requests, request)
	c.paths = append(c.paths, r.URL.Path)
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
		require.False(t, span.SpanContext().IsSampled(), "there is no exporter")
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
		signals, err := newSignals(t, env, io.Discard)
		require.NoError(t, err)
		for range ended {
			_, span := signals.Tracer.Start(t.Context(), "work")
			span.End()
		}
		counterValue := func(name, errorType string) float64 {
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
		require.EqualValues(t, queueSize, counterValue("otel_sdk_processor_span_processed_total", ""))
		require.EqualValues(t, ended-queueSize, counterValue("otel_sdk_processor_span_processed_total", "queue_full"))
		close(release)
		require.NoError(t, signals.Flush(t.Context()))
		require.EqualValues(t, queueSize, counterValue("otel_sdk_exporter_span_exported_total", ""))
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
		signals, err := newSignals(t, map[string]string{"OTEL_EXPORTER_OTLP_ENDPOINT": hanging.URL}, io.Discard)
		require.NoError(t, err)
		_, span := signals.Tracer.Start(t.Context(), "work")
		span.End()
		start := time.Now()
		require.ErrorContains(t, signals.Flush(t.Context()), "flush traces within 3s")
		require.Less(t, time.Since(start), telemetry.FlushTimeout+2*time.Second)
	})
}

func TestNew(t *testing.T) {
	t.Run("names an invalid variable", func(t *testing.T) {
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
			"unknown protocol for traces": {
				map[string]string{
					"OTEL_EXPORTER_OTLP_ENDPOINT": "http://collector:4318", "OTEL_EXPORTER_OTLP_PROTOCOL": "grpc",
					"OTEL_EXPORTER_OTLP_TRACES_PROTOCOL": "http/json",
				},
				prefix + `OTEL_EXPORTER_OTLP_PROTOCOL="http/json" is not usable: give http/protobuf or grpc`,
			},
			"unknown propagator": {
				map[string]string{"OTEL_PROPAGATORS": "tracecontext,b3"},
				prefix + `OTEL_PROPAGATORS="tracecontext,b3" is not usable: give tracecontext, baggage, both separated by a comma, or none`,
			},
			"invalid queue size": {
				map[string]string{"OTEL_EXPORTER_OTLP_ENDPOINT": "http://collector:4318", "OTEL_BSP_MAX_QUEUE_SIZE": "none"},
				prefix + `OTEL_BSP_MAX_QUEUE_SIZE="none" is not usable: give a number of spans`,
			},
			"endpoint without a scheme": {
				map[string]string{"OTEL_EXPORTER_OTLP_ENDPOINT": "collector:4318"},
				prefix + `OTEL_EXPORTER_OTLP_ENDPOINT is not usable: give a URL like http://collector:4318`,
			},
			"endpoint that is not a URL": {
				map[string]string{"OTEL_EXPORTER_OTLP_TRACES_ENDPOINT": "http://me:hush@[collector"},
				prefix + `OTEL_EXPORTER_OTLP_ENDPOINT is not usable: give a URL like http://collector:4318`,
			},
		}
		for name, tt := range tests {
			t.Run(name, func(t *testing.T) {
				_, err := newSignals(t, tt.env, io.Discard)
				require.EqualError(t, err, tt.want)
			})
		}
		t.Run("resource attributes", func(t *testing.T) {
			env := map[string]string{"OTEL_EXPORTER_OTLP_ENDPOINT": "http://collector:4318", "OTEL_RESOURCE_ATTRIBUTES": "nonsense"}
			_, err := newSignals(t, env, io.Discard)
			require.ErrorContains(t, err, "OTEL_RESOURCE_ATTRIBUTES")
		})
		t.Run("log level", func(t *testing.T) {
			_, err := telemetry.New(t.Context(), build.For("x"), telemetry.LogOptions{Level: "loud"}, func(string) string { return "" }, io.Discard)
			require.ErrorContains(t, err, "log level")
		})
	})
}

func TestPropagator(t *testing.T) {
	t.Run("uses the propagators of the environment", func(t *testing.T) {
		for names, want := range map[string][]string{
			"baggage": {"baggage"}, "none": {}, "tracecontext, baggage": {"traceparent", "tracestate", "baggage"},
		} {
			signals, err := newSignals(t, map[string]string{"OTEL_PROPAGATORS": names}, io.Discard)
			require.NoError(t, err)
			require.ElementsMatch(t, want, signals.Propagator.Fields(), names)
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
