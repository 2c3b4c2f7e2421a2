//go:build testhooks

package httpclient

import (
	"net/http"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func without(ms ...Mechanism) func(*Config) {
	return func(c *Config) { c.Disable = append(c.Disable, ms...) }
}

// failing makes calls to a peer that always fails and returns how often that was asked.
func failing(t *testing.T, calls int, adjust ...func(*Config)) (tries int64) {
	t.Helper()
	b, c := one(t, status(http.StatusServiceUnavailable), adjust...)
	for range calls {
		if _, err := c.Get(t.Context(), "/x", "/x"); err != nil {
			require.ErrorIs(t, err, ErrBreakerOpen)
		}
	}
	return b.hits.Load()
}

func TestWithoutAMechanismItsEffectIsGone(t *testing.T) {
	const calls = breakerCalls + 5
	allowed := int64(budgetFloor + budgetShare*calls)
	tests := map[string]struct {
		without []Mechanism
		tries   int64
	}{
		"retries": {[]Mechanism{Breaker, Retries}, calls},
		"budget":  {[]Mechanism{Breaker, Budget}, calls * (1 + maxRetries)},
		"breaker": {[]Mechanism{Breaker}, calls + allowed},
		"all":     {[]Mechanism{Retries, Budget, Breaker, Ejection, Latency, Lookups, Pool}, calls},
		"another": {[]Mechanism{Budget}, breakerCalls * (1 + maxRetries)},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			assert.Equal(t, tt.tries, failing(t, calls, without(tt.without...)))
		})
	}
}

func TestWithoutBreakerItsMetricSaysClosed(t *testing.T) {
	reg := prometheus.NewRegistry()
	failing(t, breakerCalls+5, without(Breaker), func(c *Config) { c.Registry = reg })
	assert.Zero(t, metric(t, reg, "circuit_breaker_state", nil).GetGauge().GetValue())
}

func TestWithoutEjectionADeadAddressStaysInUse(t *testing.T) {
	for name, tt := range map[string]struct {
		without []Mechanism
		ejected int
	}{"with": {nil, 1}, "without": {[]Mechanism{Ejection}, 0}} {
		t.Run(name, func(t *testing.T) {
			l, _, c := pair(t, ok, ok, without(tt.without...))
			l.Close()
			for range 50 { // some fail when the budget is spent
				_, _ = c.Get(t.Context(), "/x", "/x")
			}
			_, ejected := c.balancer.count()
			assert.Equal(t, tt.ejected, ejected)
		})
	}
}

func TestWithoutLatencyASlowAddressGetsItsShare(t *testing.T) {
	slow := func(w http.ResponseWriter, r *http.Request) { time.Sleep(20 * time.Millisecond); ok(w, r) }
	l, _, c := pair(t, slow, ok, without(Latency))
	for range 100 {
		get(t, c)
	}
	assert.InDelta(t, 50, l.hits.Load(), 25, "five standard deviations")
}

func TestWithoutLookupsTheFirstAddressesStay(t *testing.T) {
	both := serve(t, func(string) http.HandlerFunc { return ok }, left, right)
	n := namesOf()
	n.set(noSuchHost())
	c := client(t, "http://peer:"+both[0].port(), resolvedBy(n, often), without(Lookups))
	_, err := c.Get(t.Context(), "/x", "/x")
	require.ErrorIs(t, err, ErrNoAddress)

	n.set(nil, left)
	require.Eventually(t, func() bool { _, err := c.Get(t.Context(), "/x", "/x"); return err == nil }, patience, time.Millisecond)
	n.set(nil, right)
	<-c.balancer.stopped
	get(t, c)
	assert.Zero(t, both[1].hits.Load())
}

func TestWithoutPoolEachTryConnects(t *testing.T) {
	connections, c := counted(t, ok, without(Pool))
	for range 5 {
		get(t, c)
	}
	assert.EqualValues(t, 5, connections.Load())
}

func TestAnUnknownMechanismIsRefused(t *testing.T) {
	_, err := New(Config{BaseURL: mustURL("http://peer"), Timeout: time.Second, TryTimeout: time.Second, TestHooks: TestHooks{Disable: []Mechanism{Budget, "luck"}}})
	require.EqualError(t, err, `httpclient: unknown mechanism "luck": want some of [retries budget breaker ejection latency lookups pool]`)
}
