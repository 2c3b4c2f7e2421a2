package httpclient

import (
	"context"
	"maps"
	"math/rand/v2"
	"net/http"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

const left, right = "127.0.0.2", "127.0.0.3"

// twoBackends starts a backend on left and one on right, and a client of both.
func twoBackends(t *testing.T, onLeft, onRight http.HandlerFunc, options ...func(*Config)) (l, r *backend, c *Client) {
	t.Helper()
	both := startBackends(t, func(ip string) http.HandlerFunc {
		if ip == left {
			return onLeft
		}
		return onRight
	}, left, right)
	options = append([]func(*Config){withResolver(resolverFor(left, right), time.Hour)}, options...)
	return both[0], both[1], newClient(t, "http://peer:"+both[0].port(), options...)
}

func TestBalancer(t *testing.T) {
	t.Run("skips an endpoint that is down", func(t *testing.T) {
		reg := prometheus.NewRegistry()
		l, r, c := twoBackends(t, ok, ok, func(c *Config) { c.Registry = reg })
		require.Eventually(t, func() bool { get(t, c); return l.hits.Load() > 0 && r.hits.Load() > 0 }, testTimeout, time.Microsecond)
		l.CloseClientConnections()
		l.Close()
		start := time.Now()
		for range 500 {
			assert.Equal(t, http.StatusOK, get(t, c).Status)
		}
		retries := metric(t, reg, "http_client_retries_total", nil).GetCounter().GetValue()
		// One retry each time that an ejection ends, after 1, 2, 4 s, and so on.
		assert.LessOrEqual(t, retries, 1+time.Since(start).Seconds())
		t.Logf("%v retries in %v", retries, time.Since(start))
	})

	t.Run("skips an endpoint that goes down under load", func(t *testing.T) {
		l, r, c := twoBackends(t, ok, ok)
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
		require.Eventually(t, func() bool { return l.hits.Load() > 20 }, testTimeout, time.Millisecond)
		l.Listener.Close()
		l.CloseClientConnections()
		group.Wait()
		assert.Greater(t, r.hits.Load(), l.hits.Load())
	})

	t.Run("sends few attempts to a slow endpoint", func(t *testing.T) {
		slow := func(w http.ResponseWriter, r *http.Request) { time.Sleep(100 * time.Millisecond); ok(w, r) }
		l, r, c := twoBackends(t, slow, ok)
		for range 500 {
			get(t, c)
		}
		t.Logf("slow %d, fast %d", l.hits.Load(), r.hits.Load())
		assert.Less(t, l.hits.Load(), int64(25))
	})

	// Of two endpoints, the one without an attempt in flight has at most half the load of
	// the other, however long that attempt takes. The third attempt begins a new round;
	// without the count, it would go to the wrong endpoint in half of the runs.
	t.Run("counts attempts in flight as load", func(t *testing.T) {
		for range 20 {
			b := testBalancer("10.0.0.1", "10.0.0.2")
			_, err := b.pick(t.Context(), nil)
			require.NoError(t, err)
			second, err := b.pick(t.Context(), nil)
			require.NoError(t, err)
			b.done(second, time.Millisecond, outcomeSuccess)
			third, err := b.pick(t.Context(), nil)
			require.NoError(t, err)
			require.Same(t, second, third)
		}
	})

	t.Run("gives each endpoint its turn, also across look-ups", func(t *testing.T) {
		b := testBalancer(manyIPs(30)...)
		picked := map[*endpoint]bool{}
		for i := range 30 {
			e, err := b.pick(t.Context(), nil)
			require.NoError(t, err)
			b.done(e, time.Millisecond, outcomeSuccess)
			picked[e] = true
			if i == 15 {
				found := b.endpoints.Load().addresses()
				slices.Reverse(found)
				b.applyLookup(found, nil)
			}
		}
		assert.Len(t, picked, 30)
	})

	t.Run("gives equal turns to those that are available", func(t *testing.T) {
		b := testBalancer(manyIPs(150)...)
		now := time.Now()
		set := b.endpoints.Load()
		for _, e := range set.endpoints[15:] {
			e.setUnreachable()
		}
		turns := map[*endpoint]int{}
		for range 15 * 20 {
			turns[set.choose(now, nil)]++
		}
		counts := slices.Sorted(maps.Values(turns))
		require.Len(t, counts, 15)
		t.Logf("from %d to %d", counts[0], counts[14])
		assert.GreaterOrEqual(t, counts[0], 18)
		assert.LessOrEqual(t, counts[14], 22)
	})

	t.Run("chooses the endpoint with less load", func(t *testing.T) {
		set := testBalancer("10.0.0.1", "10.0.0.2").endpoints.Load()
		a, b := set.endpoints[0], set.endpoints[1]
		now := time.Now()
		a.begin(now)
		a.end(now, 10*time.Millisecond, outcomeSuccess)
		b.begin(now)
		b.end(now, 40*time.Millisecond, outcomeSuccess)
		chosen := func() (n int) {
			for range 100 {
				if set.choose(now, nil) == a {
					n++
				}
				assert.Same(t, b, set.choose(now, a), "the endpoint to avoid is not chosen, whatever the load")
			}
			return n
		}
		for _, want := range []string{"all", "all", "some", "some", "some", "some", "some", "none"} {
			n := chosen()
			got := map[int]string{0: "none", 100: "all"}[n] + strings.Repeat("some", min(n, 100-n, 1))
			assert.Equal(t, want, got, "%d × 10 ms against 40 ms", a.inFlight+1)
			a.begin(now)
		}
	})

	t.Run("prefers an idle endpoint", func(t *testing.T) {
		set := testBalancer("10.0.0.1", "10.0.0.2").endpoints.Load()
		now := time.Now()
		set.endpoints[0].begin(now)
		for range 100 {
			assert.Same(t, set.endpoints[1], set.choose(now, nil))
		}
	})

	// An attempt is a sample only when it ends. The number of attempts is random, so the
	// limits apply to the mean of many runs: about 2.1 and 8.0. Without the time that
	// attempts in flight have waited, the means are 5.3 and 10.9.
	t.Run("detects a slow endpoint before its attempts end", func(t *testing.T) {
		const runs = 50
		tests := map[string]struct {
			duration    time.Duration // of an attempt to the slow endpoint
			maxAttempts float64       // that it gets, of 200 in 400 ms
		}{
			"hangs":   {time.Hour, 3},
			"is slow": {100 * time.Millisecond, 9},
		}
		for name, tt := range tests {
			t.Run(name, func(t *testing.T) {
				attempts := 0
				for range runs {
					attempts += attemptsToSlowEndpoint(tt.duration)
				}
				t.Logf("%.2f", float64(attempts)/runs)
				assert.LessOrEqual(t, float64(attempts)/runs, tt.maxAttempts)
			})
		}
	})

	// The pods are equally fast on average, but the latency of each request varies and is sometimes very long.
	t.Run("gives equal shares to equal endpoints", func(t *testing.T) {
		tests := map[string]struct {
			pause time.Duration
			oneIn int // one of so many attempts has the pause
		}{
			"garbage collection":   {10 * time.Millisecond, 100},
			"shared CPU":           {50 * time.Millisecond, 100},
			"rare and long pauses": {80 * time.Millisecond, 1000},
		}
		for name, tt := range tests {
			t.Run(name, func(t *testing.T) {
				s := simulation{now: time.Now(), interval: time.Second / 400}
				s.duration = func(*endpoint) time.Duration {
					if rand.IntN(tt.oneIn) == 0 {
						return tt.pause
					}
					u := rand.Float64()
					return 500*time.Microsecond + time.Duration(u*u*float64(2500*time.Microsecond))
				}
				for range 3 { // replicas of the caller
					s.sets = append(s.sets, testBalancer("10.0.0.1", "10.0.0.2", "10.0.0.3", "10.0.0.4").endpoints.Load())
				}
				s.run(5 * time.Second) // until the first samples, which have full weight, no longer matter
				s.attempts = nil
				s.run(15 * time.Second)
				shares := slices.Collect(maps.Values(s.attempts))
				require.Len(t, shares, 4)
				ratio := float64(slices.Max(shares)) / float64(slices.Min(shares))
				t.Logf("%.2f", ratio)
				assert.LessOrEqual(t, ratio, 1.3)
			})
		}
	})

	// A caller with a short deadline never waits until the endpoint responds. The client must still learn that it is slow.
	t.Run("counts a canceled call as a sample of latency", func(t *testing.T) {
		l, r, c := twoBackends(t, hang, ok)
		for range 200 {
			ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
			c.Get(ctx, "/x", "/x")
			cancel()
		}
		t.Logf("hanging %d, fast %d", l.hits.Load(), r.hits.Load())
		assert.Less(t, l.hits.Load(), int64(20))
		assert.Greater(t, r.hits.Load(), int64(150))
	})

	// By latency alone, an endpoint that fails fast looks better than one that responds slowly.
	t.Run("sends a retry to another endpoint", func(t *testing.T) {
		slow := func(w http.ResponseWriter, r *http.Request) { time.Sleep(50 * time.Millisecond); ok(w, r) }
		l, _, c := twoBackends(t, status(http.StatusServiceUnavailable), slow)
		for range failuresToEject {
			assert.Equal(t, http.StatusOK, get(t, c).Status)
		}
		assert.NotZero(t, l.hits.Load())
	})

	t.Run("works if the peer listens on one of two addresses", func(t *testing.T) {
		for name, ips := range map[string][]string{"v6 first": {"::1", "127.0.0.1"}, "v4 first": {"127.0.0.1", "::1"}} {
			t.Run(name, func(t *testing.T) {
				b, _ := singleBackend(t, ok)
				c := newClient(t, "http://localhost:"+b.port(), withResolver(resolverFor(ips...), time.Hour))
				for range 50 {
					assert.Equal(t, http.StatusOK, get(t, c).Status)
				}
			})
		}
	})

	t.Run("resolves localhost with the system resolver", func(t *testing.T) {
		b, _ := singleBackend(t, ok)
		assert.Equal(t, http.StatusOK, get(t, newClient(t, "http://localhost:"+b.port())).Status)
	})
}

// attemptsToSlowEndpoint simulates a peer of four endpoints, one of which becomes slow. It
// returns the number of attempts to that one in the next 400 ms, of 200 to all four.
func attemptsToSlowEndpoint(duration time.Duration) int {
	set := testBalancer("10.0.0.1", "10.0.0.2", "10.0.0.3", "10.0.0.4").endpoints.Load()
	s := simulation{now: time.Now(), sets: []*endpointSet{set}, interval: 2 * time.Millisecond}
	s.duration = func(*endpoint) time.Duration { return 4 * time.Millisecond }
	s.run(5 * time.Second)
	s.attempts = nil
	s.duration = func(e *endpoint) time.Duration {
		if e == set.endpoints[0] {
			return duration
		}
		return 4 * time.Millisecond
	}
	s.run(400 * time.Millisecond)
	return s.attempts[set.endpoints[0].AddrPort]
}

// simulation makes attempts in simulated time.
type simulation struct {
	now      time.Time
	sets     []*endpointSet // one for each client; a random client makes each attempt
	interval time.Duration  // mean time between two attempts
	duration func(*endpoint) time.Duration

	pending  []pending
	attempts map[netip.AddrPort]int
}

type pending struct {
	endpoint *endpoint
	duration time.Duration
	end      time.Time
}

// run begins attempts for the duration d. Attempts that have not ended by then stay pending.
func (s *simulation) run(d time.Duration) {
	if s.attempts == nil {
		s.attempts = map[netip.AddrPort]int{}
	}
	for until := s.now.Add(d); s.now.Before(until); {
		s.now = s.now.Add(time.Duration(rand.ExpFloat64() * float64(s.interval)))
		s.endDue()
		e := s.sets[rand.IntN(len(s.sets))].choose(s.now, nil)
		e.begin(s.now)
		s.attempts[e.AddrPort]++
		duration := s.duration(e)
		s.pending = append(s.pending, pending{e, duration, s.now.Add(duration)})
	}
}

// endDue ends the attempts that are due, in the order of their ends.
func (s *simulation) endDue() {
	slices.SortFunc(s.pending, func(a, b pending) int { return a.end.Compare(b.end) })
	for len(s.pending) > 0 && !s.pending[0].end.After(s.now) {
		p := s.pending[0]
		p.endpoint.end(p.end, p.duration, outcomeSuccess)
		s.pending = s.pending[1:]
	}
}

func TestEjection(t *testing.T) {
	t.Run("ejects an endpoint that fails", func(t *testing.T) {
		reg := prometheus.NewRegistry()
		l, r, c := twoBackends(t, status(http.StatusInternalServerError), ok, func(c *Config) { c.Registry = reg })
		start := time.Now()
		for range 500 {
			assert.Equal(t, http.StatusOK, get(t, c).Status)
		}
		t.Logf("failing %d, healthy %d", l.hits.Load(), r.hits.Load())
		assert.LessOrEqual(t, float64(l.hits.Load()), failuresToEject*(1+time.Since(start).Seconds()))
		if l.hits.Load() == failuresToEject && time.Since(start) < minEjection {
			ejected := metric(t, reg, "http_client_addresses", prometheus.Labels{"state": "ejected"})
			assert.EqualValues(t, 1, ejected.GetGauge().GetValue())
		}
	})

	t.Run("keeps one endpoint and doubles the time of each ejection", func(t *testing.T) {
		b := testBalancer("10.0.0.1", "10.0.0.2", "10.0.0.3")
		now := time.Now()
		all := b.endpoints.Load().endpoints
		b.eject(now, all[0])
		b.eject(now, all[1])
		b.eject(now, all[2])
		assert.True(t, all[2].available(now), "the last available endpoint is not ejected")
		for range 50 {
			assert.Same(t, all[2], b.endpoints.Load().choose(now, nil))
			assert.Same(t, all[2], b.endpoints.Load().choose(now, all[2]), "the endpoint to avoid is better than an ejected one")
		}
		all[2].eject(now)
		assert.NotNil(t, b.endpoints.Load().choose(now, nil), "if all are ejected, any one is chosen")

		e := newEndpoint(all[0].AddrPort)
		for _, want := range []time.Duration{1, 2, 4, 8, 10, 10, 10} {
			assert.Equal(t, want*time.Second, e.eject(now))
			assert.Zero(t, e.eject(now), "attempts that fail together cause one ejection")
			now = now.Add(want * time.Second)
			assert.True(t, e.available(now))
		}
		e.begin(now)
		e.end(now, time.Millisecond, outcomeSuccess)
		assert.Equal(t, minEjection, e.eject(now), "a success resets the time of the next ejection")
	})

	// If the endpoint still hangs, that delays one call, not every call until the first attempt times out.
	t.Run("sends one attempt at a time after an ejection", func(t *testing.T) {
		tests := map[string]struct {
			outcome outcome // of the first attempt
			next    int     // attempts that it gets afterwards, of 100 simultaneous ones
		}{
			"success":          {outcomeSuccess, 100},
			"failure":          {outcomeFailure, 0},
			"connection error": {outcomeConnError, 0},
			"unknown":          {outcomeUnknown, 1},
		}
		for name, tt := range tests {
			t.Run(name, func(t *testing.T) {
				b := testBalancer("10.0.0.1", "10.0.0.2")
				e := b.endpoints.Load().endpoints[0]
				e.eject(time.Now().Add(-minEjection))
				busy := b.endpoints.Load().endpoints[1]
				for range 1000 { // so that load does not keep attempts away from e
					busy.begin(time.Now())
				}
				require.Equal(t, 1, countPicks(b, e))
				b.done(e, time.Millisecond, tt.outcome)
				assert.Equal(t, tt.next, countPicks(b, e))
			})
		}
	})

	t.Run("sends one of many simultaneous attempts after an ejection", func(t *testing.T) {
		for range 500 {
			b := testBalancer("10.0.0.1", "10.0.0.2")
			e := b.endpoints.Load().endpoints[0]
			e.eject(time.Now().Add(-minEjection))
			require.Equal(t, 1, countPicks(b, e))
		}
	})
}

// countPicks makes 100 simultaneous attempts and returns how many of them go to e.
func countPicks(b *balancer, e *endpoint) int {
	var n atomic.Int64
	var group sync.WaitGroup
	start := make(chan struct{})
	for range 100 {
		group.Go(func() {
			<-start
			if picked, _ := b.pick(context.Background(), nil); picked == e {
				n.Add(1)
			}
		})
	}
	close(start)
	group.Wait()
	return int(n.Load())
}
