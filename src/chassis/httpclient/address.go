package httpclient

import (
	"math"
	"net/netip"
	"sync"
	"time"
)

const (
	// decay is the time in which an old latency loses 63 % of its weight. So an address
	// ten times as slow as the rest is tried again every few seconds.
	decay = 2 * time.Second
	// leastLatency is what every address is taken to need. To be quicker than that is worth
	// no unequal load, and one without samples must not take every call at once.
	leastLatency = 10 * time.Millisecond

	strikesToEject = 3
	firstEjection  = time.Second
	longEjection   = 10 * time.Second
)

// address is one place where the peer listens, and what its calls have shown of it.
type address struct {
	netip.AddrPort
	hostPort string // the same as text, for the transport

	mu       sync.Mutex
	inFlight int
	// heard is when a try last ended, or began with no other in flight: while some are, a
	// has not answered since.
	heard time.Time
	// latency is the EWMA of the time a try took, each weighing by the time that has passed
	// since the last one, at sampled. So a single pause for garbage or the CPU, which every
	// address has now and then, moves no load away; load sees at once that one hangs.
	latency time.Duration
	sampled time.Time

	strikes      int // tries in a row that struggled; one is enough while there are ejections
	ejections    int // in a row, without an answer between
	ejectedUntil time.Time
}

func newAddress(at netip.AddrPort) *address {
	return &address{AddrPort: at, hostPort: at.String()}
}

// begin counts a try that is about to go to a.
func (a *address) begin(now time.Time) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.inFlight == 0 {
		a.heard = now
	}
	a.inFlight++
}

// end records how a try went and says whether it speaks for ejecting a.
func (a *address) end(now time.Time, took time.Duration, v verdict) bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.inFlight--
	a.heard = now
	a.sample(now, took, v)
	switch v {
	case answered:
		a.strikes = 0
		if !now.Before(a.ejectedUntil) {
			a.ejections = 0
		}
	case struggled:
		a.strikes++
	case broken, abandoned:
	}
	return v == broken || a.strikes >= strikesToEject || v == struggled && a.ejections > 0
}

// sample weighs in what a try took. An abandoned one took at least that long, so it can
// only raise the estimate: a hanging address would otherwise look as if never tried.
func (a *address) sample(now time.Time, took time.Duration, v verdict) {
	weight := math.Exp(-float64(now.Sub(a.sampled)) / float64(decay))
	if v == abandoned && float64(took) < float64(a.latency)*weight {
		return
	}
	a.latency = time.Duration(float64(a.latency)*weight + float64(took)*(1-weight))
	a.sampled = now
}

// load is what one more try at a is expected to cost: its latency, as much of it as time
// has left, times the tries that would then be under way. While tries wait, their wait
// counts at once: a hanging address would otherwise look quick until they time out.
func (a *address) load(now time.Time) float64 {
	a.mu.Lock()
	defer a.mu.Unlock()
	latency := float64(a.latency) * math.Exp(-float64(now.Sub(a.sampled))/float64(decay))
	if a.inFlight > 0 {
		latency = max(latency, float64(now.Sub(a.heard)))
	}
	return max(latency, float64(leastLatency)) * float64(a.inFlight+1)
}

// usable says whether a may get a try. One that comes back from an ejection gets a single
// one at a time until it has answered, so if it still hangs that delays one call, not all
// that come within a try's deadline.
func (a *address) usable(now time.Time) bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	return !now.Before(a.ejectedUntil) && (a.ejections == 0 || a.inFlight == 0)
}

// ejected says whether a is out of use.
func (a *address) ejected(now time.Time) bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	return now.Before(a.ejectedUntil)
}

// eject takes a out of use, twice as long as the last time, and says for how long: 0 if
// it is out already, as when many tries fail together.
func (a *address) eject(now time.Time) time.Duration {
	a.mu.Lock()
	defer a.mu.Unlock()
	if now.Before(a.ejectedUntil) {
		return 0
	}
	d := longEjection
	if a.ejections < 4 {
		d = min(firstEjection<<a.ejections, longEjection)
	}
	a.ejections++
	a.strikes = 0
	a.ejectedUntil = now.Add(d)
	return d
}
