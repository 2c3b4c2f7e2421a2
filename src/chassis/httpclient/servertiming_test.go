package httpclient

import (
	"context"
	"net/http"
	"testing"

	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/otel/trace"
	"go.opentelemetry.io/otel/trace/embedded"

	"tandem/src/chassis/timing"
)

// panickingTracer panics when an attempt begins.
type panickingTracer struct{ embedded.Tracer }

func (panickingTracer) Start(context.Context, string, ...trace.SpanStartOption) (context.Context, trace.Span) {
	panic("no span")
}

func TestRecordTiming(t *testing.T) {
	t.Run("names the status of a failed call, and its retries", func(t *testing.T) {
		_, c := singleBackend(t, status(http.StatusBadGateway))
		var parts timing.Timing
		_, err := c.Get(timing.NewContext(t.Context(), &parts), "/", "/")
		require.NoError(t, err)
		require.Equal(t, "502", parts.Call().Note)
		require.Equal(t, maxRetries, parts.Call().RetryCount)
	})

	t.Run("does not hide a panic during a call", func(t *testing.T) {
		_, c := singleBackend(t, ok, func(cfg *Config) { cfg.Tracer = panickingTracer{} })
		require.PanicsWithValue(t, "no span", func() {
			_, _ = c.Get(timing.NewContext(t.Context(), new(timing.Timing)), "/", "/")
		})
	})
}
