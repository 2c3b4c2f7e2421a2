package httpclient

import (
	"sync"
	"time"
)

const (
	budgetWindow = 10 * time.Second
	budgetShare  = 0.2 // retries per call
	budgetFloor  = 10  // retries per window that are free, so that a quiet client may retry
)

// budget bounds retries to a share of the calls of the last few seconds: a peer that
// fails altogether sees 1.2 times the usual load and the few retries that are free, not three times. The
// zero value is ready. (failsafe's budget counts only what is in flight at the moment, which bounds
// nothing for a client whose calls follow one another:
// https://github.com/failsafe-go/failsafe-go/issues/106.)
type budget struct {
	mu      sync.Mutex
	began   time.Time // when the current half of the window did
	calls   [2]int    // in the current half and in the one before
	retries [2]int

	unbounded bool // every retry may be made
}

// call counts one call, which earns a share of a retry.
func (b *budget) call(now time.Time) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.advance(now)
	b.calls[0]++
}

// retry says whether a retry may be made, and counts it if so.
func (b *budget) retry(now time.Time) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.advance(now)
	allowed := budgetFloor + budgetShare*float64(b.calls[0]+b.calls[1])
	if !b.unbounded && float64(b.retries[0]+b.retries[1]+1) > allowed {
		return false
	}
	b.retries[0]++
	return true
}

// advance moves the window on by the halves that have passed.
func (b *budget) advance(now time.Time) {
	switch passed := now.Sub(b.began); {
	case passed < budgetWindow/2:
		return
	case passed < budgetWindow:
		b.calls[1], b.retries[1] = b.calls[0], b.retries[0]
	default:
		b.calls[1], b.retries[1] = 0, 0
	}
	b.calls[0], b.retries[0], b.began = 0, 0, now
}
