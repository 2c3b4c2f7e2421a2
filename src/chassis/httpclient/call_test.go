package httpclient

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestRetries(t *testing.T) {
	t.Run("repeats an attempt until it succeeds", func(t *testing.T) {
		for _, code := range []int{500, 502, 503, 504} {
			t.Run(fmt.Sprint(code), func(t *testing.T) {
				b, c := singleBackend(t, sequence(status(code), status(code), ok))
				assert.Equal(t, http.StatusOK, get(t, c).Status)
				assert.EqualValues(t, 3, b.hits.Load())
			})
		}
	})

	t.Run("does not repeat other responses", func(t *testing.T) {
		for _, code := range []int{200, 302, 400, 404, 409, 429, 501} {
			t.Run(fmt.Sprint(code), func(t *testing.T) {
				b, c := singleBackend(t, status(code))
				assert.Equal(t, code, get(t, c).Status)
				assert.EqualValues(t, 1, b.hits.Load())
			})
		}
	})

	t.Run("returns the last response", func(t *testing.T) {
		b, c := singleBackend(t, func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Retry-After", "3600") // must not make the client wait
			w.WriteHeader(http.StatusServiceUnavailable)
			fmt.Fprint(w, "full")
		})
		res := get(t, c)
		assert.Equal(t, http.StatusServiceUnavailable, res.Status)
		assert.Equal(t, "full", string(res.Body))
		assert.Equal(t, "3600", res.Header.Get("Retry-After"))
		assert.EqualValues(t, 1+maxRetries, b.hits.Load())
	})

	t.Run("repeats an attempt whose body breaks off", func(t *testing.T) {
		b, c := singleBackend(t, sequence(drop, ok))
		assert.Equal(t, "ok", string(get(t, c).Body))
		assert.EqualValues(t, 2, b.hits.Load())
	})

	// A delay that would exceed the deadline must not replace the response with a timeout. On a
	// busy machine the response itself may come too late, so one success is enough.
	t.Run("returns the response when no time is left for a retry", func(t *testing.T) {
		_, c := singleBackend(t, status(http.StatusServiceUnavailable), func(c *Config) { c.Timeout = baseBackoff/2 - 1 })
		c.breaker = neverOpenBreaker()
		require.Eventually(t, func() bool {
			c.budget = retryBudget{} // so that the budget is not what prevents the retry
			res, err := c.Get(t.Context(), "/x", "/x")
			return err == nil && res.Status == http.StatusServiceUnavailable
		}, testTimeout, time.Millisecond)
	})
}

func TestDeadlines(t *testing.T) {
	t.Run("sends a retry to another endpoint after a timeout", func(t *testing.T) {
		backends := startBackends(t, func(ip string) http.HandlerFunc {
			if ip == "127.0.0.2" {
				return hang
			}
			return ok
		}, "127.0.0.2", "127.0.0.3")
		c := newClient(t, "http://peer:"+backends[0].port(), withResolver(resolverFor("127.0.0.2", "127.0.0.3"), time.Hour),
			func(c *Config) { c.AttemptTimeout = 500 * time.Millisecond })
		for calls := 0; backends[0].hits.Load() == 0; calls++ {
			require.Less(t, calls, 100, "the hanging endpoint is never chosen")
			assert.Equal(t, http.StatusOK, get(t, c).Status)
		}
	})

	t.Run("limits an attempt, body included", func(t *testing.T) {
		slowBody := func(w http.ResponseWriter, r *http.Request) {
			w.WriteHeader(http.StatusOK)
			w.(http.Flusher).Flush()
			hang(w, r)
		}
		b, c := singleBackend(t, sequence(slowBody, ok), func(c *Config) { c.AttemptTimeout = 300 * time.Millisecond })
		assert.Equal(t, "ok", string(get(t, c).Body))
		assert.EqualValues(t, 2, b.hits.Load())
	})

	t.Run("limits a call", func(t *testing.T) {
		b, c := singleBackend(t, hang, func(c *Config) { c.Timeout = 200 * time.Millisecond })
		start := time.Now()
		_, err := c.Get(t.Context(), "/x", "/x")
		require.ErrorIs(t, err, context.DeadlineExceeded)
		assert.Less(t, time.Since(start), testTimeout/2)
		assert.EqualValues(t, 1, b.hits.Load(), "no time was left for a retry")
	})

	t.Run("limits all attempts of a call together", func(t *testing.T) {
		_, c := singleBackend(t, hang, func(c *Config) { c.Timeout, c.AttemptTimeout = 600*time.Millisecond, 500*time.Millisecond })
		start := time.Now()
		_, err := c.Get(t.Context(), "/x", "/x")
		require.ErrorIs(t, err, context.DeadlineExceeded)
		assert.Less(t, time.Since(start), 1490*time.Millisecond, "three attempts of 500 ms would take 1.5 s")
	})
}

func TestCancellation(t *testing.T) {
	t.Run("reaches the server", func(t *testing.T) {
		started, canceled := make(chan struct{}), make(chan struct{})
		b, c := singleBackend(t, func(_ http.ResponseWriter, r *http.Request) {
			close(started)
			<-r.Context().Done()
			close(canceled)
		})
		ctx, cancel := context.WithCancelCause(t.Context())
		go func() { <-started; cancel(errors.New("browser closed")) }()
		_, err := c.Get(ctx, "/x", "/x")
		require.ErrorIs(t, err, context.Canceled)
		select {
		case <-canceled:
		case <-time.After(testTimeout):
			t.Fatal("the server has not seen the cancellation")
		}
		assert.EqualValues(t, 1, b.hits.Load())
	})

	t.Run("ends the delay before a retry", func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		assert.ErrorIs(t, sleep(ctx, time.Hour), context.Canceled)
		assert.ErrorIs(t, sleep(ctx, 0), context.Canceled)
		assert.NoError(t, sleep(t.Context(), 1))
	})
}

func TestBackoff(t *testing.T) {
	t.Run("is random and doubles", func(t *testing.T) {
		for range 100 {
			first := backoff(1, attemptResult{errorKind: kindTimeout, endpoint: &endpoint{}})
			second := backoff(2, attemptResult{errorKind: kindTransport, endpoint: &endpoint{}})
			assert.True(t, baseBackoff/2 <= first && first < baseBackoff, first)
			assert.True(t, baseBackoff <= second && second < 2*baseBackoff, second)
		}
		assert.Zero(t, backoff(1, attemptResult{errorKind: kindTransport, endpoint: &endpoint{}}))
	})
}
