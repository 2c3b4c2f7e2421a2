package httpclient

import (
	"log/slog"
	"math"
	"time"

	"github.com/failsafe-go/failsafe-go/circuitbreaker"
)

const (
	breakerFailureRate   = 0.5 // share of failed calls that opens the breaker
	breakerMinCalls      = 20  // calls within breakerWindow before it can open
	breakerWindow        = 10 * time.Second
	breakerDelay         = time.Second // from open to half-open
	breakerHalfOpenCalls = 3           // calls that must succeed to close it; one failure opens it again
)

func newBreaker(cfg Config) circuitbreaker.CircuitBreaker[any] {
	minCalls := uint(breakerMinCalls)
	if cfg.Disabled(Breaker) {
		minCalls = math.MaxUint // never reached, so the breaker stays closed
	}
	return circuitbreaker.NewBuilder[any]().
		WithFailureRateThreshold(breakerFailureRate, minCalls, breakerWindow).
		WithDelay(breakerDelay).
		WithSuccessThreshold(breakerHalfOpenCalls).
		OnStateChanged(func(e circuitbreaker.StateChangedEvent) {
			cfg.Logger.Warn("circuit breaker changed", slog.String("from", e.OldState.String()), slog.String("to", e.NewState.String()))
		}).
		Build()
}

// recordResult records the outcome of a call in b, which returns the permit of the call.
//
// A call with an unknown outcome is neither a success nor a failure, but failsafe takes a
// permit back only with one of the two. This matters only in the half-open state,
// which has few permits: if none came back, the breaker would reject every call from then
// on. So recordResult starts the half-open state again, with all permits.
func recordResult(b circuitbreaker.CircuitBreaker[any], o outcome) {
	switch {
	case o == outcomeSuccess:
		b.RecordSuccess()
	case o != outcomeUnknown:
		b.RecordFailure()
	case b.IsHalfOpen():
		b.Open()
		b.HalfOpen()
	}
}
