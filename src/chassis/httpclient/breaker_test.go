package httpclient

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"sync/atomic"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestBreaker(t *testing.T) {
	t.Run("opens and recovers", func(t *testing.T) {
		reg := prometheus.NewRegistry()
		state := func() float64 { return metric(t, reg, "circuit_breaker_state", nil).GetGauge().GetValue() }
		var failing atomic.Bool
		failing.Store(true)
		b, c := singleBackend(t, func(w http.ResponseWriter, _ *http.Request) {
			if failing.Load() {
				w.WriteHeader(http.StatusInternalServerError)
			}
		}, func(c *Config) { c.Registry = reg })

		var err error
		for calls := 0; err == nil; calls++ {
			require.LessOrEqual(t, calls, breakerMinCalls)
			_, err = c.Get(t.Context(), "/x", "/x")
		}
		require.ErrorIs(t, err, ErrBreakerOpen)
		assert.EqualValues(t, 2, state())
		before := b.hits.Load()
		_, err = c.Get(t.Context(), "/x", "/x")
		require.ErrorIs(t, err, ErrBreakerOpen)
		assert.Equal(t, before, b.hits.Load(), "an open breaker rejects calls")

		require.Eventually(t, func() bool { return state() == 1 }, testTimeout, 10*time.Millisecond,
			"the metric says half-open although no call arrives")
		failing.Store(false)
		require.Eventually(t, func() bool {
			_, err := c.Get(t.Context(), "/x", "/x")
			return err == nil && state() == 0
		}, testTimeout, 10*time.Millisecond)
	})

	t.Run("counts transport errors and timeouts", func(t *testing.T) {
		for name, h := range map[string]http.HandlerFunc{"drop": drop, "hang": hang} {
			t.Run(name, func(t *testing.T) {
				_, c := singleBackend(t, h, func(c *Config) { c.Timeout, c.AttemptTimeout = 100*time.Millisecond, 30*time.Millisecond })
				var err error
				for calls := 0; calls <= breakerMinCalls && !errors.Is(err, ErrBreakerOpen); calls++ {
					_, err = c.Get(t.Context(), "/x", "/x")
				}
				assert.ErrorIs(t, err, ErrBreakerOpen)
			})
		}
	})

	t.Run("ignores 4xx responses and deadlines of the caller", func(t *testing.T) {
		for name, h := range map[string]http.HandlerFunc{"4xx": status(http.StatusNotFound), "deadline": hang} {
			t.Run(name, func(t *testing.T) {
				_, c := singleBackend(t, h)
				for range 2 * breakerMinCalls {
					ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
					_, err := c.Get(ctx, "/x", "/x")
					cancel()
					require.NotErrorIs(t, err, ErrBreakerOpen)
				}
				assert.True(t, c.breaker.IsClosed())
				assert.Zero(t, c.breaker.Metrics().Failures())
			})
		}
	})

	t.Run("can still close after half-open calls with an unknown outcome", func(t *testing.T) {
		b := newBreaker(Config{Logger: slog.New(slog.DiscardHandler)})
		b.HalfOpen()
		for range 3 * breakerHalfOpenCalls {
			require.True(t, b.TryAcquirePermit())
			recordResult(b, outcomeUnknown)
		}
		for range breakerHalfOpenCalls {
			require.True(t, b.TryAcquirePermit())
			recordResult(b, outcomeSuccess)
		}
		assert.True(t, b.IsClosed())
	})
}
