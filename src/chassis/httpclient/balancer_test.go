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
	a.begin(now)
	a.end(now, 10*time.Millisecond, answered)
	b.begin(now)
	b.end(now, 40*time.Millisecond, answered)
	chosen := func() (n int) {
		for range 100 {
			if set.choose(now, nil) == a {
				n++
			}
			assert.Same(t, b, set.choose(now, a), "whatever its load")
		}
		return n
	}
	for _, want := range []string{"all", "all", "some", "some", "some", "some", "some", "none"} {
		n := chosen()
		assert.Equal(t, want, map[int]string{0: "none", 100: "all"}[n]+strings.Repeat("some", min(n, 100-n, 1)), "%d × 10 ms against 40 ms", a.inFlight+1)
		a.begin(now)
	}
}

func TestAnIdleAddressIsPreferred(t *testing.T) {
	set := testBalancer("10.0.0.1", "10.0.0.2").set.Load()
	now := time.Now()
	set.addresses[0].begin(now)
	for range 100 {
		assert.Same(t, set.addresses[1], set.choose(now, nil))
	}
}

// Their tries would tell only when they end.
func TestAnAddressThatSlowsDownIsSeenBeforeItsTriesEnd(t *testing.T) {
	tests := map[string]struct {
		takes time.Duration
		most  int // tries, of 200 in 400 ms
	}{
		"hangs":   {time.Hour, 4},
		"is slow": {100 * time.Millisecond, 8},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			set := testBalancer("10.0.0.1", "10.0.0.2", "10.0.0.3", "10.0.0.4").set.Load()
			s := simulation{now: time.Now(), sets: []*addressSet{set}, every: 2 * time.Millisecond}
			s.takes = func(*address) time.Duration { return 4 * time.Millisecond }
			s.run(5 * time.Second)
			s.tries = nil
			s.takes = func(a *address) time.Duration {
				if a == set.addresses[0] {
					return tt.takes
				}
				return 4 * time.Millisecond
			}
			s.run(400 * time.Millisecond)
			assert.LessOrEqual(t, s.tries[set.addresses[0].AddrPort], tt.most)
		})
	}
}

// Pods do equally well over time, though each answer takes another time and some very long.
func TestEqualAddressesGetEqualShares(t *testing.T) {
	tests := map[string]struct {
		pause time.Duration
		oneIn int // tries that meet the pause
	}{
		"collections of garbage": {10 * time.Millisecond, 100},
		"a CPU that is shared":   {50 * time.Millisecond, 100},
		"rare and long pauses":   {80 * time.Millisecond, 1000},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			s := simulation{now: time.Now(), every: time.Second / 400}
			s.takes = func(*address) time.Duration {
				if rand.IntN(tt.oneIn) == 0 {
					return tt.pause
				}
				u := rand.Float64()
				return 500*time.Microsecond + time.Duration(u*u*float64(2500*time.Microsecond))
			}
			for range 3 { // replicas of the caller
				s.sets = append(s.sets, testBalancer("10.0.0.1", "10.0.0.2", "10.0.0.3", "10.0.0.4").set.Load())
			}
			s.run(5 * time.Second) // a first sample counts in full
			s.tries = nil
			s.run(15 * time.Second)
			shares := slices.Collect(maps.Values(s.tries))
			require.Len(t, shares, 4)
			ratio := float64(slices.Max(shares)) / float64(slices.Min(shares))
			t.Logf("%.2f", ratio)
			assert.LessOrEqual(t, ratio, 1.3)
		})
	}
}

// simulation makes tries by a clock of its own.
type simulation struct {
	now   time.Time
	sets  []*addressSet // of as many clients, which take turns at random
	every time.Duration // on average, from one try to the next
	takes func(*address) time.Duration

	pending []pending
	tries   map[netip.AddrPort]int
}

type pending struct {
	at   *address
	took time.Duration
	ends time.Time
}

// run begins tries for so long; those that have not ended by then stay pending.
func (s *simulation) run(d time.Duration) {
	if s.tries == nil {
		s.tries = map[netip.AddrPort]int{}
	}
	for until := s.now.Add(d); s.now.Before(until); {
		s.now = s.now.Add(time.Duration(rand.ExpFloat64() * float64(s.every)))
		s.endDue()
		a := s.sets[rand.IntN(len(s.sets))].choose(s.now, nil)
		a.begin(s.now)
		s.tries[a.AddrPort]++
		took := s.takes(a)
		s.pending = append(s.pending, pending{a, took, s.now.Add(took)})
	}
}

// endDue ends the tries whose time has come, in their order.
func (s *simulation) endDue() {
	slices.SortFunc(s.pending, func(a, b pending) int { return a.ends.Compare(b.ends) })
	for len(s.pending) > 0 && !s.pending[0].ends.After(s.now) {
		p := s.pending[0]
		p.at.end(p.ends, p.took, answered)
		s.pending = s.pending[1:]
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
	a.begin(now)
	a.end(now, time.Millisecond, answered)
	assert.Equal(t, firstEjection, a.eject(now), "an answer wipes the slate")
}

// If it still hangs, that delays one call, not every one that comes in the meantime.
func TestAnAddressThatComesBackIsTriedWithCare(t *testing.T) {
	tests := map[string]struct {
		v    verdict
		then int // tries it may get at a time, at most
	}{
		"it answers":       {answered, 100},
		"it struggles":     {struggled, 0},
		"it is broken":     {broken, 0},
		"nothing is known": {abandoned, 1},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			b := testBalancer("10.0.0.1", "10.0.0.2")
			a := b.set.Load().addresses[0]
			a.eject(time.Now().Add(-firstEjection))
			busy := b.set.Load().addresses[1]
			for range 1000 { // so that only care keeps tries from a
				busy.begin(time.Now())
			}
			require.Equal(t, 1, picks(b, a))
			b.done(a, time.Millisecond, tt.v)
			assert.Equal(t, tt.then, picks(b, a))
		})
	}
}

func TestSimultaneousTriesDoNotBothFindAnAddressIdle(t *testing.T) {
	b := testBalancer("10.0.0.1", "10.0.0.2")
	for range 500 {
		a := newAddress(b.set.Load().addresses[0].AddrPort)
		a.eject(time.Now().Add(-firstEjection))
		b.set.Load().addresses[0] = a
		require.Equal(t, 1, picks(b, a))
	}
}

// picks is how many of a hundred simultaneous tries go to a.
func picks(b *balancer, a *address) int {
	var n atomic.Int64
	var group sync.WaitGroup
	start := make(chan struct{})
	for range 100 {
		group.Go(func() {
			<-start
			if at, _ := b.pick(context.Background(), nil); at == a {
				n.Add(1)
			}
		})
	}
	close(start)
	group.Wait()
	return int(n.Load())
}

func TestStrikesMustBeInARow(t *testing.T) {
	a := newAddress(testBalancer("10.0.0.1").set.Load().addresses[0].AddrPort)
	end := func(v verdict) bool { a.begin(time.Now()); return a.end(time.Now(), time.Millisecond, v) }
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
	sample := func(took time.Duration, v verdict) { a.begin(now); a.end(now, took, v) }
	sample(time.Second, answered)
	at := func(after time.Duration) time.Duration { return time.Duration(a.load(now.Add(after))) }
	assert.InDelta(t, time.Second, at(0), float64(time.Millisecond))
	assert.InDelta(t, 368*time.Millisecond, at(decay), float64(time.Millisecond))
	for range 1000 {
		sample(time.Millisecond, answered)
	}
	assert.InDelta(t, time.Second, at(0), float64(time.Millisecond), "a thousand samples in no time")
	sample(time.Microsecond, abandoned)
	assert.InDelta(t, time.Second, at(0), float64(time.Millisecond), "given up early says little")
	now = now.Add(decay)
	sample(300*time.Millisecond, abandoned)
	assert.InDelta(t, 368*time.Millisecond, at(0), float64(time.Millisecond), "nor does it now")
	sample(500*time.Millisecond, abandoned)
	assert.InDelta(t, 684*time.Millisecond, at(0), float64(time.Millisecond), "at least that long")
	sample(2*time.Second, struggled)
	assert.InDelta(t, 684*time.Millisecond, at(0), float64(time.Millisecond), "a slow one right after another")
	now = now.Add(decay)
	sample(2*time.Second, struggled)
	assert.InDelta(t, 1516*time.Millisecond, at(0), float64(time.Millisecond), "a slow one after a while")
}
