package httpclient

import (
	"net/http"
	"testing"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/stretchr/testify/require"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"
)

func TestProbe(t *testing.T) {
	t.Run("bypasses an open breaker", func(t *testing.T) {
		_, c := singleBackend(t, func(w http.ResponseWriter, r *http.Request) {
			if r.URL.Path != "/health" {
				w.WriteHeader(http.StatusInternalServerError)
			}
		})
		for range breakerMinCalls {
			_, _ = c.Get(t.Context(), "/x", "/x")
		}
		_, err := c.Get(t.Context(), "/x", "/x")
		require.ErrorIs(t, err, ErrBreakerOpen)
		response, err := c.Probe(t.Context(), "/health")
		require.NoError(t, err)
		require.Equal(t, http.StatusOK, response.Status)
	})

	t.Run("does not open the breaker", func(t *testing.T) {
		_, c := singleBackend(t, status(http.StatusInternalServerError))
		for range 3 * breakerMinCalls {
			response, err := c.Probe(t.Context(), "/health")
			require.NoError(t, err)
			require.Equal(t, http.StatusInternalServerError, response.Status)
		}
		require.True(t, c.breaker.IsClosed())
	})

	t.Run("tries another endpoint after a connection error", func(t *testing.T) {
		backends := startBackends(t, func(string) http.HandlerFunc { return ok }, "127.0.0.2", "127.0.0.3")
		backends[0].Close()
		for range 20 { // whichever endpoint is chosen first
			c := newClient(t, "http://peer:"+backends[1].port(), withResolver(resolverFor("127.0.0.2", "127.0.0.3"), testTimeout))
			_, err := c.Probe(t.Context(), "/health")
			require.NoError(t, err)
		}
	})

	t.Run("creates no spans and no metrics", func(t *testing.T) {
		spans, registry := tracetest.NewSpanRecorder(), prometheus.NewRegistry()
		provider := sdktrace.NewTracerProvider(sdktrace.WithSpanProcessor(spans))
		_, c := singleBackend(t, ok, func(c *Config) { c.Tracer, c.Registry = provider.Tracer("test"), registry })
		_, err := c.Probe(t.Context(), "/health")
		require.NoError(t, err)
		require.Empty(t, spans.Ended())
		require.Nil(t, metric(t, registry, "http_client_request_duration_seconds", nil))
	})
}
