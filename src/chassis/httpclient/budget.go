package httpclient

import (
	"sync"
	"time"
)

const (
	budgetWindow     = 10 * time.Second
	budgetRatio      = 0.2 // retries per call
	budgetMinRetries = 10  // additional retries per window, so that a client with few calls can retry
)

// retryBudget limits retries to a share of the calls in the last few seconds: a peer that
// fails completely gets 1.2 times its usual load plus budgetMinRetries, not three times.
// The zero value is ready for use.
//
// The budget of failsafe-go counts only what is in flight at the moment. That does not
// limit a client that makes one call after another:
// https://github.com/failsafe-go/failsafe-go/issues/106
type retryBudget struct {
	mu        sync.Mutex
	halfStart time.Time // start of the current half of the window
	calls     [2]int    // in the current half and in the previous one
	retries   [2]int

	unlimited bool // mechanism Budget is disabled
}

// recordCall counts a call, which adds budgetRatio to the retries that are allowed.
func (b *retryBudget) recordCall(now time.Time) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.advance(now)
	b.calls[0]++
}

// takeRetry returns whether the budget allows a retry, and counts it if so.
func (b *retryBudget) takeRetry(now time.Time) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.advance(now)
	allowed := budgetMinRetries + budgetRatio*float64(b.calls[0]+b.calls[1])
	if !b.unlimited && float64(b.retries[0]+b.retries[1]+1) > allowed {
		return false
	}
	b.retries[0]++
	return true
}

// advance moves the window to now, by halves.
func (b *retryBudget) advance(now time.Time) {
	switch elapsed := now.Sub(b.halfStart); {
	case elapsed < budgetWindow/2:
		return
	case elapsed < budgetWindow:
		b.calls[1], b.retries[1] = b.calls[0], b.retries[0]
	default:
		b.calls[1], b.retries[1] = 0, 0
	}
	b.calls[0], b.retries[0], b.halfStart = 0, 0, now
}
