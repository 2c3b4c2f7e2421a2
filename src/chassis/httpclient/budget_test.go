package httpclient

import (
	"net/http"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
)

func TestRetryBudget(t *testing.T) {
	t.Run("allows a share of the calls", func(t *testing.T) {
		var b retryBudget
		now := time.Now()
		spend := func() (n int) {
			for b.takeRetry(now) {
				n++
			}
			return n
		}
		assert.Equal(t, budgetMinRetries, spend(), "a client without calls")
		for range 100 {
			b.recordCall(now)
		}
		assert.Equal(t, 20, spend(), "a fifth of the calls")
		now = now.Add(budgetWindow / 2)
		assert.Zero(t, spend(), "still in the window")
		now = now.Add(budgetWindow / 2)
		assert.Equal(t, budgetMinRetries, spend(), "calls and retries leave the window together")
		now = now.Add(time.Hour)
		assert.Equal(t, budgetMinRetries, spend(), "after an hour without calls")
	})

	// Retries must not multiply the load on a peer that fails completely. The breaker would
	// limit it as well, so the test replaces it.
	t.Run("limits the load on a failing peer", func(t *testing.T) {
		b, c := singleBackend(t, status(http.StatusServiceUnavailable))
		c.breaker = neverOpenBreaker()
		const calls, callers = 1000, 20
		var group sync.WaitGroup
		for range callers {
			group.Go(func() {
				for range calls / callers {
					_, err := c.Get(t.Context(), "/x", "/x")
					assert.NoError(t, err)
				}
			})
		}
		group.Wait()
		perCall := float64(b.hits.Load()) / calls
		t.Logf("%.3f attempts per call", perCall)
		assert.LessOrEqual(t, perCall, 1.25)
		assert.Greater(t, perCall, 1.05, "the client uses its budget")
	})
}
