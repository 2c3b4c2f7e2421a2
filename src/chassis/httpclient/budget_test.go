package httpclient

import (
	"net/http"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
)

func TestBudget(t *testing.T) {
	var b budget
	now := time.Now()
	spend := func() (n int) {
		for b.retry(now) {
			n++
		}
		return n
	}
	assert.Equal(t, budgetFloor, spend(), "a quiet client")
	for range 100 {
		b.call(now)
	}
	assert.Equal(t, 20, spend(), "a fifth of the calls")
	now = now.Add(budgetWindow / 2)
	assert.Zero(t, spend(), "still in the window")
	now = now.Add(budgetWindow / 2)
	assert.Equal(t, budgetFloor, spend(), "calls and retries are forgotten together")
	now = now.Add(time.Hour)
	assert.Equal(t, budgetFloor, spend(), "after a long silence")
}

// A peer that fails altogether must not see its load multiplied. The breaker, which
// would also see to that, is taken out of the way.
func TestBudgetBoundsTheLoadOnAFailingPeer(t *testing.T) {
	b, c := one(t, status(http.StatusServiceUnavailable))
	c.breaker = neverOpen()
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
	t.Logf("%.3f tries per call", perCall)
	assert.LessOrEqual(t, perCall, 1.25)
	assert.Greater(t, perCall, 1.05, "the budget is there to be used")
}
