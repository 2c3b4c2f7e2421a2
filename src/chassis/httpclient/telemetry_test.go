package httpclient

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"
	dto "github.com/prometheus/client_model/go"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/contrib/instrumentation/net/http/otelhttp"
	"go.opentelemetry.io/otel/codes"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"
	"go.opentelemetry.io/otel/trace"
)

// newSpanRecorder returns a provider of tracers, and the recorder of their spans.
func newSpanRecorder(sampler sdktrace.Sampler) (*sdktrace.TracerProvider, *tracetest.SpanRecorder) {
	recorder := tracetest.NewSpanRecorder()
	return sdktrace.NewTracerProvider(sdktrace.WithSpanProcessor(recorder), sdktrace.WithSampler(sampler)), recorder
}

func attributes(span sdktrace.ReadOnlySpan) map[string]any {
	m := map[string]any{}
	for _, kv := range span.Attributes() {
		m[string(kv.Key)] = kv.Value.AsInterface()
	}
	return m
}

func TestSpans(t *testing.T) {
	t.Run("has a client span for each attempt", func(t *testing.T) {
		provider, recorder := newSpanRecorder(sdktrace.AlwaysSample())
		tracer := provider.Tracer("test")
		var seen []string
		remember := func(h http.HandlerFunc) http.HandlerFunc {
			return func(w http.ResponseWriter, r *http.Request) {
				seen = append(seen, r.Header.Get("Traceparent"))
				h(w, r)
			}
		}
		b, c := singleBackend(t, remember(sequence(status(http.StatusServiceUnavailable), drop, ok)), func(c *Config) { c.Tracer = tracer })
		ctx, parent := tracer.Start(t.Context(), "caller")
		_, err := c.Get(ctx, "/users/{id}", "/users/7?full=1")
		require.NoError(t, err)
		parent.End()

		spans := recorder.Ended()
		require.Len(t, spans, 1+maxRetries+1)
		for i, span := range spans[:3] {
			assert.Equal(t, "GET /users/{id}", span.Name())
			assert.Equal(t, trace.SpanKindClient, span.SpanKind())
			assert.Equal(t, parent.SpanContext().SpanID(), span.Parent().SpanID(), "retries are siblings")
			assert.Equal(t, fmt.Sprintf("00-%s-%s-01", span.SpanContext().TraceID(), span.SpanContext().SpanID()), seen[i])
		}
		port := int64(b.Listener.Addr().(*net.TCPAddr).Port)
		want := map[string]any{
			"http.request.method": "GET", "url.full": b.URL + "/users/7?full=1", "url.template": "/users/{id}",
			"server.address": "127.0.0.1", "server.port": port, "network.protocol.version": "1.1",
			"network.peer.address": "127.0.0.1", "network.peer.port": port,
		}
		with := func(more map[string]any) map[string]any {
			for k, v := range want {
				more[k] = v
			}
			return more
		}
		assert.Equal(t, with(map[string]any{"http.response.status_code": int64(503), "error.type": "503"}), attributes(spans[0]))
		assert.Equal(t, codes.Error, spans[0].Status().Code)
		assert.Equal(t, with(map[string]any{"http.request.resend_count": int64(1), "error.type": "other"}), attributes(spans[1]))
		assert.Equal(t, sdktrace.Status{Code: codes.Error, Description: "unexpected EOF"}, spans[1].Status())
		assert.Equal(t,
			with(map[string]any{"http.request.resend_count": int64(2), "http.response.status_code": int64(200)}), attributes(spans[2]))
		assert.Equal(t, codes.Unset, spans[2].Status().Code)
	})

	// The client sets attributes itself. It must set at least those of otelhttp, with the same values.
	t.Run("has the attributes of otelhttp", func(t *testing.T) {
		for _, code := range []int{200, 404, 503} {
			t.Run(fmt.Sprint(code), func(t *testing.T) {
				provider, recorder := newSpanRecorder(sdktrace.AlwaysSample())
				b, c := singleBackend(t, status(code), func(c *Config) { c.Tracer = provider.Tracer("test") })
				_, err := c.Get(t.Context(), "/x", "/x?y=1")
				require.NoError(t, err)

				base := &http.Transport{}
				defer base.CloseIdleConnections()
				otelhttpClient := http.Client{Transport: otelhttp.NewTransport(base, otelhttp.WithTracerProvider(provider))}
				req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, b.URL+"/x?y=1", nil)
				require.NoError(t, err)
				res, err := otelhttpClient.Do(req)
				require.NoError(t, err)
				require.NoError(t, res.Body.Close())

				spans := recorder.Ended()
				ours, last := attributes(spans[0]), spans[len(spans)-1]
				require.Equal(t, "HTTP GET", last.Name())
				for key, value := range attributes(last) {
					assert.Equal(t, value, ours[key], key)
				}
				assert.Equal(t, last.Status(), spans[0].Status())
				assert.Equal(t, last.SpanKind(), spans[0].SpanKind())
			})
		}
	})

	t.Run("propagates an unsampled context without a span", func(t *testing.T) {
		provider, recorder := newSpanRecorder(sdktrace.AlwaysSample())
		var seen string
		_, c := singleBackend(t, func(_ http.ResponseWriter, r *http.Request) { seen = r.Header.Get("Traceparent") },
			func(c *Config) { c.Tracer = provider.Tracer("test") })
		caller := trace.NewSpanContext(trace.SpanContextConfig{TraceID: trace.TraceID{1}, SpanID: trace.SpanID{2}})
		_, err := c.Get(trace.ContextWithSpanContext(t.Context(), caller), "/x", "/x")
		require.NoError(t, err)
		assert.Equal(t, fmt.Sprintf("00-%s-%s-00", caller.TraceID(), caller.SpanID()), seen)
		assert.Empty(t, recorder.Started())
	})

	t.Run("has a span for a call without an endpoint", func(t *testing.T) {
		provider, recorder := newSpanRecorder(sdktrace.AlwaysSample())
		resolver := resolverFor()
		c := newClient(t, "http://peer", withResolver(resolver, time.Hour), func(c *Config) { c.Tracer = provider.Tracer("test") })
		_, err := c.Get(t.Context(), "/x", "/x")
		require.ErrorIs(t, err, ErrNoAddress)
		require.Len(t, recorder.Ended(), 1)
		assert.Equal(t, "connect", attributes(recorder.Ended()[0])["error.type"])
	})
}

func TestMetrics(t *testing.T) {
	t.Run("observes attempts, retries, breaker and addresses", func(t *testing.T) {
		reg := prometheus.NewPedanticRegistry()
		_, c := singleBackend(t, sequence(status(http.StatusServiceUnavailable), drop, ok, status(http.StatusNotFound), hang),
			func(c *Config) { c.Registry = reg })
		for _, id := range []string{"1", "2"} {
			_, err := c.Get(t.Context(), "/users/{id}", "/users/"+id)
			require.NoError(t, err)
		}
		ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
		defer cancel()
		_, err := c.Get(ctx, "/users/{id}", "/users/3")
		require.ErrorIs(t, err, context.DeadlineExceeded)

		problems, err := testutil.GatherAndLint(reg)
		require.NoError(t, err)
		assert.Empty(t, problems)
		const durations = "http_client_request_duration_seconds"
		for _, want := range []struct{ status, errorType string }{{"503", ""}, {"", "other"}, {"200", ""}, {"404", ""}, {"", "canceled"}} {
			m := metric(t, reg, durations, prometheus.Labels{
				"http_request_method": "GET", "server_address": "peer", "url_template": "/users/{id}",
				"http_response_status_code": want.status, "error_type": want.errorType,
			})
			if assert.NotNil(t, m, want) {
				assert.EqualValues(t, 1, m.GetHistogram().GetSampleCount(), want)
				assert.Len(t, m.GetHistogram().GetBucket(), 14)
				assert.NotNil(t, m.GetHistogram().Schema, "also a native histogram")
			}
		}
		n, err := testutil.GatherAndCount(reg, durations)
		require.NoError(t, err)
		assert.Equal(t, 5, n)
		require.NoError(t, testutil.GatherAndCompare(reg, strings.NewReader(`
		# HELP circuit_breaker_state 0 closed, 1 half-open, 2 open.
		# TYPE circuit_breaker_state gauge
		circuit_breaker_state{server_address="peer"} 0
		# HELP http_client_addresses Addresses of the peer by state: in use (healthy) or ejected at the moment.
		# TYPE http_client_addresses gauge
		http_client_addresses{server_address="peer",state="ejected"} 0
		http_client_addresses{server_address="peer",state="healthy"} 1
		# HELP http_client_retries_total Attempts after the first one of a call.
		# TYPE http_client_retries_total counter
		http_client_retries_total{server_address="peer"} 2
	`), "circuit_breaker_state", "http_client_addresses", "http_client_retries_total"))
	})

	t.Run("labels the kind of error", func(t *testing.T) {
		b, c := singleBackend(t, hang, func(c *Config) { c.Timeout = 50 * time.Millisecond })
		labelOf := func() string {
			target, err := c.targetURL("/x")
			require.NoError(t, err)
			result := c.callWithRetries(t.Context(), "/x", target, MaxBody)
			return result.errorKind.label()
		}
		assert.Equal(t, "timeout", labelOf())
		b.CloseClientConnections()
		b.Close()
		assert.Equal(t, "connect", labelOf())
	})

	t.Run("has exemplars only of sampled attempts", func(t *testing.T) {
		for name, sampler := range map[string]sdktrace.Sampler{"sampled": sdktrace.AlwaysSample(), "not sampled": sdktrace.NeverSample()} {
			t.Run(name, func(t *testing.T) {
				reg := prometheus.NewRegistry()
				provider, recorder := newSpanRecorder(sampler)
				_, c := singleBackend(t, ok, func(c *Config) { c.Registry, c.Tracer = reg, provider.Tracer("test") })
				get(t, c)
				found := exemplars(metric(t, reg, "http_client_request_duration_seconds", nil))
				if name == "not sampled" {
					assert.Empty(t, found)
					return
				}
				assert.Equal(t, []string{"trace_id=" + recorder.Ended()[0].SpanContext().TraceID().String()}, found)
			})
		}
	})
}

func exemplars(m *dto.Metric) (found []string) {
	for _, bucket := range m.GetHistogram().GetBucket() {
		for _, l := range bucket.GetExemplar().GetLabel() {
			found = append(found, l.GetName()+"="+l.GetValue())
		}
	}
	return found
}
