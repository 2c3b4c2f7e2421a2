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

func TestRetriesUntilAnswered(t *testing.T) {
	for _, first := range []int{500, 502, 503, 504} {
		t.Run(fmt.Sprint(first), func(t *testing.T) {
			b, c := one(t, sequence(status(first), status(first), ok))
			assert.Equal(t, http.StatusOK, get(t, c).Status)
			assert.EqualValues(t, 3, b.hits.Load())
		})
	}
}

func TestDoesNotRetryAnAnswer(t *testing.T) {
	for _, code := range []int{200, 302, 400, 404, 409, 429, 501} {
		t.Run(fmt.Sprint(code), func(t *testing.T) {
			b, c := one(t, status(code))
			assert.Equal(t, code, get(t, c).Status)
			assert.EqualValues(t, 1, b.hits.Load())
		})
	}
}

func TestLastResponseOfExhaustedRetries(t *testing.T) {
	b, c := one(t, func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Retry-After", "3600") // must not make the client wait
		w.WriteHeader(http.StatusServiceUnavailable)
		fmt.Fprint(w, "full")
	})
	res := get(t, c)
	assert.Equal(t, http.StatusServiceUnavailable, res.Status)
	assert.Equal(t, "full", string(res.Body))
	assert.Equal(t, "3600", res.Header.Get("Retry-After"))
	assert.EqualValues(t, 1+maxRetries, b.hits.Load())
}

func TestRetriesAfterDropInMidBody(t *testing.T) {
	b, c := one(t, sequence(drop, ok))
	assert.Equal(t, "ok", string(get(t, c).Body))
	assert.EqualValues(t, 2, b.hits.Load())
}

func TestTryTimeoutThenAnotherAddress(t *testing.T) {
	backends := serve(t, func(ip string) http.HandlerFunc {
		if ip == "127.0.0.2" {
			return hang
		}
		return ok
	}, "127.0.0.2", "127.0.0.3")
	c := client(t, "http://peer:"+backends[0].port(), resolvedBy(namesOf("127.0.0.2", "127.0.0.3"), time.Hour),
		func(c *Config) { c.TryTimeout = 500 * time.Millisecond })
	for calls := 0; backends[0].hits.Load() == 0; calls++ {
		require.Less(t, calls, 100, "the hanging address is never chosen")
		assert.Equal(t, http.StatusOK, get(t, c).Status)
	}
}

func TestTryTimeoutCoversTheBody(t *testing.T) {
	slowBody := func(w http.ResponseWriter, r *http.Request) {
		w.WriteHeader(http.StatusOK)
		w.(http.Flusher).Flush()
		hang(w, r)
	}
	b, c := one(t, sequence(slowBody, ok), func(c *Config) { c.TryTimeout = 300 * time.Millisecond })
	assert.Equal(t, "ok", string(get(t, c).Body))
	assert.EqualValues(t, 2, b.hits.Load())
}

func TestTotalDeadline(t *testing.T) {
	b, c := one(t, hang, func(c *Config) { c.Timeout = 200 * time.Millisecond })
	start := time.Now()
	_, err := c.Get(t.Context(), "/x", "/x")
	require.ErrorIs(t, err, context.DeadlineExceeded)
	assert.Less(t, time.Since(start), patience/2)
	assert.EqualValues(t, 1, b.hits.Load(), "no time was left for a retry")
}

func TestTotalDeadlineCoversAllTries(t *testing.T) {
	_, c := one(t, hang, func(c *Config) { c.Timeout, c.TryTimeout = 600*time.Millisecond, 500*time.Millisecond })
	start := time.Now()
	_, err := c.Get(t.Context(), "/x", "/x")
	require.ErrorIs(t, err, context.DeadlineExceeded)
	assert.Less(t, time.Since(start), 1490*time.Millisecond, "three tries of their own length would take 1.5 s")
}

func TestCancellationReachesTheServer(t *testing.T) {
	started, gone := make(chan struct{}), make(chan struct{})
	b, c := one(t, func(_ http.ResponseWriter, r *http.Request) {
		close(started)
		<-r.Context().Done()
		close(gone)
	})
	ctx, cancel := context.WithCancelCause(t.Context())
	go func() { <-started; cancel(errors.New("browser closed")) }()
	_, err := c.Get(ctx, "/x", "/x")
	require.ErrorIs(t, err, context.Canceled)
	select {
	case <-gone:
	case <-time.After(patience):
		t.Fatal("the server still works for nobody")
	}
	assert.EqualValues(t, 1, b.hits.Load())
}

func TestCancellationEndsAPause(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	assert.ErrorIs(t, sleep(ctx, time.Hour), context.Canceled)
	assert.ErrorIs(t, sleep(ctx, 0), context.Canceled)
	assert.NoError(t, sleep(t.Context(), 1))
}

// A pause that would outlast the deadline must not turn an answer into an expiry. Since a
// busy machine may not answer in the little time there is, one such answer is enough.
func TestLastResponseWhenNoTimeIsLeftToRetry(t *testing.T) {
	_, c := one(t, status(http.StatusServiceUnavailable), func(c *Config) { c.Timeout = firstPause/2 - 1 })
	c.breaker = neverOpen()
	require.Eventually(t, func() bool {
		c.budget = budget{} // nor may that be what prevents the retry
		res, err := c.Get(t.Context(), "/x", "/x")
		return err == nil && res.Status == http.StatusServiceUnavailable
	}, patience, time.Millisecond)
}

func TestPauses(t *testing.T) {
	for range 100 {
		first := pauseBefore(1, outcome{fault: timedOut, addr: &address{}})
		second := pauseBefore(2, outcome{fault: dropped, addr: &address{}})
		assert.True(t, firstPause/2 <= first && first < firstPause, first)
		assert.True(t, firstPause <= second && second < 2*firstPause, second)
	}
	assert.Zero(t, pauseBefore(1, outcome{fault: dropped, addr: &address{}}))
}
