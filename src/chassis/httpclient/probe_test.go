package httpclient

import (
	"net/http"
	"testing"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/stretchr/testify/require"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"
)

func TestAProbePassesAnOpenBreaker(t *testing.T) {
	_, c := one(t, func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path != "/health" {
			w.WriteHeader(http.StatusInternalServerError)
		}
	})
	for range breakerCalls {
		_, _ = c.Get(t.Context(), "/x", "/x")
	}
	_, err := c.Get(t.Context(), "/x", "/x")
	require.ErrorIs(t, err, ErrBreakerOpen)
	answer, err := c.Probe(t.Context(), "/health")
	require.NoError(t, err)
	require.Equal(t, http.StatusOK, answer.Status)
}

func TestFailingProbesDoNotOpenTheBreaker(t *testing.T) {
	_, c := one(t, status(http.StatusInternalServerError))
	for range 3 * breakerCalls {
		answer, err := c.Probe(t.Context(), "/health")
		require.NoError(t, err)
		require.Equal(t, http.StatusInternalServerError, answer.Status)
	}
	require.True(t, c.breaker.IsClosed())
}

func TestAProbeGoesOnToALivingAddress(t *testing.T) {
	backends := serve(t, func(string) http.HandlerFunc { return ok }, "127.0.0.2", "127.0.0.3")
	backends[0].Close()
	for range 20 { // whichever address comes first
		c := client(t, "http://peer:"+backends[1].port(), resolvedBy(namesOf("127.0.0.2", "127.0.0.3"), patience))
		_, err := c.Probe(t.Context(), "/health")
		require.NoError(t, err)
	}
}

func TestAProbeIsNeitherTracedNorCounted(t *testing.T) {
	spans, registry := tracetest.NewSpanRecorder(), prometheus.NewRegistry()
	provider := sdktrace.NewTracerProvider(sdktrace.WithSpanProcessor(spans))
	_, c := one(t, ok, func(c *Config) { c.Tracer, c.Registry = provider.Tracer("test"), registry })
	_, err := c.Probe(t.Context(), "/health")
	require.NoError(t, err)
	require.Empty(t, spans.Ended())
	require.Nil(t, metric(t, registry, "http_client_request_duration_seconds", nil))
}
