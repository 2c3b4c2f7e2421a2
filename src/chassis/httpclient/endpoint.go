package httpclient

import (
	"math"
	"net/netip"
	"sync"
	"time"
)

const (
	// latencyDecay is the time in which an old latency loses 63 % of its weight. An endpoint
	// that was ten times slower than the others gets another attempt after a few seconds.
	latencyDecay = 2 * time.Second
	// minLatency is the lowest latency that counts: a difference below it does not justify
	// unequal load, and an endpoint without samples must not get every call at once.
	minLatency = 10 * time.Millisecond

	failuresToEject = 3
	minEjection     = time.Second
	maxEjection     = 10 * time.Second
)

// endpoint is one address and port of the peer, with what its attempts have shown.
type endpoint struct {
	netip.AddrPort
	hostPort string // AddrPort as text, for the transport

	mu       sync.Mutex
	inFlight int
	// silentSince is when the last attempt ended, or when the first of those in flight
	// began, whichever is later.
	silentSince time.Time
	// latency is the exponentially weighted moving average (EWMA) of the duration of attempts.
	// The weight of a sample grows with the time since the last one, at sampledAt. So a single
	// pause of the endpoint, for garbage collection or for lack of CPU time, does not move load
	// away. The method load detects an endpoint that hangs before its attempts end.
	latency   time.Duration
	sampledAt time.Time

	consecutiveFailures  int
	consecutiveEjections int // without a successful attempt in between
	ejectedUntil         time.Time

	succeededAt time.Time // when the last attempt succeeded; zero after a connection error
	unreachable bool      // as watchReach has found
}

func newEndpoint(addrPort netip.AddrPort) *endpoint {
	return &endpoint{AddrPort: addrPort, hostPort: addrPort.String()}
}

// begin counts an attempt that is about to be sent to e.
func (e *endpoint) begin(now time.Time) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.inFlight == 0 {
		e.silentSince = now
	}
	e.inFlight++
}

// end records an attempt that has ended. It returns true if e should be ejected: after a
// connection error, after failuresToEject failures in a row, and after one failure if e
// has not succeeded since its last ejection.
func (e *endpoint) end(now time.Time, duration time.Duration, o outcome) bool {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.inFlight--
	e.silentSince = now
	e.updateLatency(now, duration, o)
	switch o {
	case outcomeSuccess:
		e.consecutiveFailures, e.succeededAt = 0, now
		if !now.Before(e.ejectedUntil) {
			e.consecutiveEjections = 0
		}
	case outcomeFailure:
		e.consecutiveFailures++
	case outcomeConnError:
		e.succeededAt = time.Time{}
	case outcomeUnknown:
	}
	return o == outcomeConnError || e.consecutiveFailures >= failuresToEject ||
		o == outcomeFailure && e.consecutiveEjections > 0
}

// updateLatency adds the duration of an attempt to the EWMA. An attempt with an unknown
// outcome would have taken at least that long, so it can only raise the latency. If such
// attempts did not count, an endpoint that hangs would have no samples.
func (e *endpoint) updateLatency(now time.Time, duration time.Duration, o outcome) {
	oldWeight := math.Exp(-float64(now.Sub(e.sampledAt)) / float64(latencyDecay))
	if o == outcomeUnknown && float64(duration) < float64(e.latency)*oldWeight {
		return
	}
	e.latency = time.Duration(float64(e.latency)*oldWeight + float64(duration)*(1-oldWeight))
	e.sampledAt = now
}

// load returns the expected cost of one more attempt: the decayed latency, in nanoseconds,
// times the attempts that would then be in flight. While attempts are in flight, the time
// without a response counts as latency, so that an endpoint that hangs is seen before its
// attempts time out.
func (e *endpoint) load(now time.Time) float64 {
	e.mu.Lock()
	defer e.mu.Unlock()
	latency := float64(e.latency) * math.Exp(-float64(now.Sub(e.sampledAt))/float64(latencyDecay))
	if e.inFlight > 0 {
		latency = max(latency, float64(now.Sub(e.silentSince)))
	}
	return max(latency, float64(minLatency)) * float64(e.inFlight+1)
}

// available returns whether e may get an attempt. After an ejection it gets one attempt at
// a time until one succeeds. If e still hangs, that delays one call, not every call until
// the first attempt times out.
func (e *endpoint) available(now time.Time) bool {
	e.mu.Lock()
	defer e.mu.Unlock()
	return !e.unreachable && !now.Before(e.ejectedUntil) && (e.consecutiveEjections == 0 || e.inFlight == 0)
}

// ejected returns whether e is ejected or unreachable at the moment.
func (e *endpoint) ejected(now time.Time) bool {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.unreachable || now.Before(e.ejectedUntil)
}

// eject takes e out of use and returns for how long: twice as long as the last time, at
// most maxEjection. It returns 0 if e is already ejected, as when many attempts fail
// together.
func (e *endpoint) eject(now time.Time) time.Duration {
	e.mu.Lock()
	defer e.mu.Unlock()
	if now.Before(e.ejectedUntil) {
		return 0
	}
	d := maxEjection
	if e.consecutiveEjections < 4 { // a larger shift could overflow
		d = min(minEjection<<e.consecutiveEjections, maxEjection)
	}
	e.consecutiveEjections++
	e.consecutiveFailures = 0
	e.ejectedUntil = now.Add(d)
	return d
}
