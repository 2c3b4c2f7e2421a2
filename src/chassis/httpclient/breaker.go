package httpclient

import (
	"math"
	"time"

	"github.com/failsafe-go/failsafe-go/circuitbreaker"
)

const (
	breakerRate   = 0.5 // share of failed calls that opens it,
	breakerCalls  = 20  // among at least so many
	breakerWindow = 10 * time.Second
	breakerDelay  = time.Second // from open to half-open
	breakerProbes = 3           // calls that must succeed to close it; one failure opens it again
)

func newBreaker(cfg Config) circuitbreaker.CircuitBreaker[any] {
	calls := uint(breakerCalls)
	if cfg.disabled(Breaker) {
		calls = math.MaxUint // so many are never made within a window
	}
	return circuitbreaker.NewBuilder[any]().
		WithFailureRateThreshold(breakerRate, calls, breakerWindow).
		WithDelay(breakerDelay).
		WithSuccessThreshold(breakerProbes).
		OnStateChanged(func(e circuitbreaker.StateChangedEvent) {
			cfg.Logger.Warn("circuit breaker changed", "from", e.OldState.String(), "to", e.NewState.String())
		}).
		Build()
}

// settle returns the permit that a call took from b, with what the call has shown.
//
// An abandoned call has shown nothing, and failsafe cannot take back a permit without a
// result. That matters only when half-open, where the permits are few and the last one
// lost would keep the breaker shut for ever: half-open then begins anew.
func settle(b circuitbreaker.CircuitBreaker[any], v verdict) {
	switch {
	case v == answered:
		b.RecordSuccess()
	case v != abandoned:
		b.RecordFailure()
	case b.IsHalfOpen():
		b.Open()
		b.HalfOpen()
	}
}
