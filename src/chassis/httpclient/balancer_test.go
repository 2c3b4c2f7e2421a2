package httpclient

import (
	"context"
	"net/http"
	"sync"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

const left, right = "127.0.0.2", "127.0.0.3"

// pair starts backends left and right and a client that knows both.
func pair(t *testing.T, onLeft, onRight http.HandlerFunc, adjust ...func(*Config)) (l, r *backend, c *Client) {
	t.Helper()
	both := serve(t, func(ip string) http.HandlerFunc {
		if ip == left {
			return onLeft
		}
		return onRight
	}, left, right)
	adjust = append([]func(*Config){resolvedBy(namesOf(left, right), time.Hour)}, adjust...)
	return both[0], both[1], client(t, "http://peer:"+both[0].port(), adjust...)
}

func TestDeadAddressIsSkippedAtOnce(t *testing.T) {
	reg := prometheus.NewRegistry()
	l, r, c := pair(t, ok, ok, func(c *Config) { c.Registry = reg })
	require.Eventually(t, func() bool { get(t, c); return l.hits.Load() > 0 && r.hits.Load() > 0 }, patience, time.Microsecond)
	l.CloseClientConnections()
	l.Close()
	start := time.Now()
	for range 500 {
		assert.Equal(t, http.StatusOK, get(t, c).Status)
	}
	retries := metric(t, reg, "http_client_retries_total", nil).GetCounter().GetValue()
	// One for each time that the ejection ends, after 1, 2, 4 s ...
	assert.LessOrEqual(t, retries, 1+time.Since(start).Seconds())
	t.Logf("%v retries in %v", retries, time.Since(start))
}

func TestDeadAddressUnderLoad(t *testing.T) {
	l, r, c := pair(t, ok, ok)
	const callers = 8
	var group sync.WaitGroup
	for range callers {
		group.Go(func() {
			for range 200 {
				res, err := c.Get(t.Context(), "/x", "/x")
				if assert.NoError(t, err) {
					assert.Equal(t, http.StatusOK, res.Status)
				}
			}
		})
	}
	require.Eventually(t, func() bool { return l.hits.Load() > 20 }, patience, time.Millisecond)
	l.Listener.Close()
	l.CloseClientConnections()
	group.Wait()
	assert.Greater(t, r.hits.Load(), l.hits.Load())
}

func TestSlowAddressGetsFewCalls(t *testing.T) {
	slow := func(w http.ResponseWriter, r *http.Request) { time.Sleep(100 * time.Millisecond); ok(w, r) }
	l, r, c := pair(t, slow, ok)
	for range 500 {
		get(t, c)
	}
	t.Logf("slow %d, quick %d", l.hits.Load(), r.hits.Load())
	assert.Less(t, l.hits.Load(), int64(25))
}

func TestLoadCountsTriesInFlight(t *testing.T) {
	release := make(chan struct{})
	wait := func(http.ResponseWriter, *http.Request) { <-release }
	l, r, c := pair(t, wait, wait)
	var group sync.WaitGroup
	const calls = 40
	for range calls {
		group.Go(func() { get(t, c) })
	}
	require.Eventually(t, func() bool { return l.hits.Load()+r.hits.Load() == calls }, patience, time.Millisecond)
	close(release)
	group.Wait()
	assert.InDelta(t, calls/2, l.hits.Load(), calls/8, "with nothing else known, the calls are halved")
}

func TestChoosesTheLessLoaded(t *testing.T) {
	set := testBalancer("10.0.0.1", "10.0.0.2").set.Load()
	a, b := set.addresses[0], set.addresses[1]
	now := time.Now()
	for range 2 {
		a.begin()
		a.end(now, 10*time.Millisecond, answered)
		b.begin()
		b.end(now, 25*time.Millisecond, answered)
	}
	for want := range 3 { // at the third, 3 × 10 ms is more than 25 ms
		for range 20 {
			assert.Equal(t, want < 2, set.choose(now, nil) == a, want)
			assert.Same(t, b, set.choose(now, a), "whatever its load")
		}
		a.begin()
	}
}

// A caller in a hurry never learns how slow the hanging address is; the client must.
func TestCancelledCallCountsAsSample(t *testing.T) {
	l, r, c := pair(t, hang, ok)
	for range 200 {
		ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
		c.Get(ctx, "/x", "/x")
		cancel()
	}
	t.Logf("hanging %d, quick %d", l.hits.Load(), r.hits.Load())
	assert.Less(t, l.hits.Load(), int64(20))
	assert.Greater(t, r.hits.Load(), int64(150))
}

func TestFailingAddressIsEjected(t *testing.T) {
	reg := prometheus.NewRegistry()
	l, r, c := pair(t, status(http.StatusInternalServerError), ok, func(c *Config) { c.Registry = reg })
	start := time.Now()
	for range 500 {
		assert.Equal(t, http.StatusOK, get(t, c).Status)
	}
	t.Logf("failing %d, good %d", l.hits.Load(), r.hits.Load())
	assert.LessOrEqual(t, float64(l.hits.Load()), strikesToEject*(1+time.Since(start).Seconds()))
	if l.hits.Load() == strikesToEject && time.Since(start) < firstEjection {
		ejected := metric(t, reg, "http_client_addresses", prometheus.Labels{"state": "ejected"})
		assert.EqualValues(t, 1, ejected.GetGauge().GetValue())
	}
}

// An address that fails quickly looks better than one that answers slowly.
func TestRetryAvoidsTheAddressThatFailed(t *testing.T) {
	slow := func(w http.ResponseWriter, r *http.Request) { time.Sleep(50 * time.Millisecond); ok(w, r) }
	l, _, c := pair(t, status(http.StatusServiceUnavailable), slow)
	for range strikesToEject {
		assert.Equal(t, http.StatusOK, get(t, c).Status)
	}
	assert.NotZero(t, l.hits.Load())
}

func TestOnlyOneOfLocalhostListens(t *testing.T) {
	for name, n := range map[string]*names{"v6 first": namesOf("::1", "127.0.0.1"), "v4 first": namesOf("127.0.0.1", "::1")} {
		t.Run(name, func(t *testing.T) {
			b, _ := one(t, ok)
			c := client(t, "http://localhost:"+b.port(), resolvedBy(n, time.Hour))
			for range 50 {
				assert.Equal(t, http.StatusOK, get(t, c).Status)
			}
		})
	}
}

func TestSystemResolverKnowsLocalhost(t *testing.T) {
	b, _ := one(t, ok)
	assert.Equal(t, http.StatusOK, get(t, client(t, "http://localhost:"+b.port())).Status)
}

func TestEjection(t *testing.T) {
	b := testBalancer("10.0.0.1", "10.0.0.2", "10.0.0.3")
	now := time.Now()
	all := b.set.Load().addresses
	b.eject(now, all[0])
	b.eject(now, all[1])
	b.eject(now, all[2])
	assert.True(t, all[2].usable(now), "the last one stays")
	for range 50 {
		assert.Same(t, all[2], b.set.Load().choose(now, nil))
		assert.Same(t, all[2], b.set.Load().choose(now, all[2]), "rather the one to be avoided than an ejected one")
	}
	all[2].eject(now)
	assert.NotNil(t, b.set.Load().choose(now, nil), "all are ejected: any will do")

	a := newAddress(all[0].AddrPort)
	for _, want := range []time.Duration{1, 2, 4, 8, 10, 10, 10} {
		assert.Equal(t, want*time.Second, a.eject(now))
		assert.Zero(t, a.eject(now), "tries that fail together eject once")
		now = now.Add(want * time.Second)
		assert.True(t, a.usable(now))
	}
	a.begin()
	a.end(now, time.Millisecond, answered)
	assert.Equal(t, firstEjection, a.eject(now), "an answer wipes the slate")
}

func TestStrikesMustBeInARow(t *testing.T) {
	a := newAddress(testBalancer("10.0.0.1").set.Load().addresses[0].AddrPort)
	end := func(v verdict) bool { a.begin(); return a.end(time.Now(), time.Millisecond, v) }
	for range 2 {
		assert.False(t, end(struggled))
		assert.False(t, end(struggled))
		assert.False(t, end(abandoned))
		assert.False(t, end(answered))
	}
	assert.False(t, end(struggled))
	assert.False(t, end(struggled))
	assert.True(t, end(struggled))
	assert.True(t, end(broken))
}

func TestLatencyDecaysWithTime(t *testing.T) {
	a := newAddress(testBalancer("10.0.0.1").set.Load().addresses[0].AddrPort)
	now := time.Now()
	sample := func(took time.Duration, v verdict) { a.begin(); a.end(now, took, v) }
	sample(time.Second, answered)
	at := func(after time.Duration) time.Duration { return time.Duration(a.load(now.Add(after))) - leastLatency }
	assert.InDelta(t, time.Second, at(0), float64(time.Millisecond))
	assert.InDelta(t, 368*time.Millisecond, at(decay), float64(time.Millisecond))
	for range 1000 {
		sample(time.Millisecond, answered)
	}
	assert.InDelta(t, time.Second, at(0), float64(time.Millisecond), "a thousand samples in no time")
	sample(time.Microsecond, abandoned)
	assert.InDelta(t, time.Second, at(0), float64(time.Millisecond), "given up early says little")
	now = now.Add(decay)
	sample(500*time.Millisecond, abandoned)
	assert.InDelta(t, 500*time.Millisecond, at(0), float64(time.Millisecond), "at least that long")
	sample(2*time.Second, struggled)
	assert.InDelta(t, 2*time.Second, at(0), float64(time.Millisecond), "a peak counts at once")
}
