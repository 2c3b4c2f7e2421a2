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

func disable(ms ...Mechanism) func(*Config) {
	return func(c *Config) { c.Disable = append(c.Disable, ms...) }
}

// attemptsOnFailingPeer makes calls to a peer that always fails and returns the number of attempts.
func attemptsOnFailingPeer(t *testing.T, calls int, options ...func(*Config)) int64 {
	t.Helper()
	b, c := singleBackend(t, status(http.StatusServiceUnavailable), options...)
	for range calls {
		if _, err := c.Get(t.Context(), "/x", "/x"); err != nil {
			require.ErrorIs(t, err, ErrBreakerOpen)
		}
	}
	return b.hits.Load()
}

func TestDisable(t *testing.T) {
	t.Run("removes the effect of each mechanism", func(t *testing.T) {
		const calls = breakerMinCalls + 5
		allowed := int64(budgetMinRetries + budgetRatio*calls)
		tests := map[string]struct {
			disabled []Mechanism
			attempts int64
		}{
			"retries":     {[]Mechanism{Breaker, Retries}, calls},
			"budget":      {[]Mechanism{Breaker, Budget}, calls * (1 + maxRetries)},
			"breaker":     {[]Mechanism{Breaker}, calls + allowed},
			"all":         {[]Mechanism{Retries, Budget, Breaker, Ejection, Latency, Lookups, Pool}, calls},
			"budget only": {[]Mechanism{Budget}, breakerMinCalls * (1 + maxRetries)},
		}
		for name, tt := range tests {
			t.Run(name, func(t *testing.T) {
				assert.Equal(t, tt.attempts, attemptsOnFailingPeer(t, calls, disable(tt.disabled...)))
			})
		}
	})

	t.Run("reports a disabled breaker as closed", func(t *testing.T) {
		reg := prometheus.NewRegistry()
		attemptsOnFailingPeer(t, breakerMinCalls+5, disable(Breaker), func(c *Config) { c.Registry = reg })
		assert.Zero(t, metric(t, reg, "circuit_breaker_state", nil).GetGauge().GetValue())
	})

	t.Run("without Ejection, keeps an endpoint that is down in use", func(t *testing.T) {
		for name, tt := range map[string]struct {
			disabled []Mechanism
			ejected  int
		}{"enabled": {nil, 1}, "disabled": {[]Mechanism{Ejection}, 0}} {
			t.Run(name, func(t *testing.T) {
				l, _, c := twoBackends(t, ok, ok, disable(tt.disabled...))
				l.Close()
				for range 50 { // some fail when the retry budget is used up
					_, _ = c.Get(t.Context(), "/x", "/x")
				}
				_, ejected := c.balancer.count()
				assert.Equal(t, tt.ejected, ejected)
			})
		}
	})

	t.Run("without Latency, gives a slow endpoint its turn", func(t *testing.T) {
		slow := func(w http.ResponseWriter, r *http.Request) { time.Sleep(20 * time.Millisecond); ok(w, r) }
		l, _, c := twoBackends(t, slow, ok, disable(Latency))
		for range 100 {
			get(t, c)
		}
		assert.EqualValues(t, 50, l.hits.Load())
	})

	t.Run("without Lookups, keeps the first endpoints", func(t *testing.T) {
		both := startBackends(t, func(string) http.HandlerFunc { return ok }, left, right)
		resolver := resolverFor()
		resolver.set(noSuchHost())
		c := newClient(t, "http://peer:"+both[0].port(), withResolver(resolver, shortInterval), disable(Lookups))
		_, err := c.Get(t.Context(), "/x", "/x")
		require.ErrorIs(t, err, ErrNoAddress)

		resolver.set(nil, left)
		require.Eventually(t, func() bool { _, err := c.Get(t.Context(), "/x", "/x"); return err == nil }, testTimeout, time.Millisecond)
		resolver.set(nil, right)
		<-c.balancer.stopped
		get(t, c)
		assert.Zero(t, both[1].hits.Load())
	})

	t.Run("without Pool, opens a connection for each attempt", func(t *testing.T) {
		connections, c := clientWithCountedConnections(t, ok, disable(Pool))
		for range 5 {
			get(t, c)
		}
		assert.EqualValues(t, 5, connections.Load())
	})

	t.Run("refuses an unknown mechanism", func(t *testing.T) {
		_, err := New(Config{
			BaseURL: mustURL("http://peer"), Timeout: time.Second, AttemptTimeout: time.Second,
			TestHooks: TestHooks{Disable: []Mechanism{Budget, "luck"}},
		})
		require.EqualError(t, err, `httpclient: unknown mechanism "luck": want some of [retries budget breaker ejection latency lookups pool sharing hold-bound]`)
	})
}
