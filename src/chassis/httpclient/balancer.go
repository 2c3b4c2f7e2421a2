package httpclient

import (
	"context"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"slices"
	"sync"
	"sync/atomic"
	"time"
)

// loadRatio is how many times higher the load of an endpoint must be before another one
// is preferred. A lower ratio would send nearly all attempts to the endpoint that is
// faster by chance, whereas endpoints of equal speed should get equal shares: then all
// pods need the same capacity, and the loss of any pod costs the same. An idle endpoint
// is still preferred to one of equal latency that has an attempt in flight, because the
// load of that one is exactly twice as high.
const loadRatio = 2

// balancer distributes attempts over the peer's endpoints by a variant of the "power of two
// choices": of the endpoint whose turn it is and a random one, it prefers the second if that
// one has clearly less load. Load is the moving average of the latency times the attempts in flight,
// the new one included.
//
// It is not an http.RoundTripper: only the caller knows whether the body was read
// completely, and a retry must be able to name an endpoint to avoid.
type balancer struct {
	lookupConfig lookupConfig
	log          *slog.Logger

	ignoreLoad      bool // mechanism Latency is disabled
	neverEject      bool // mechanism Ejection is disabled
	staticEndpoints bool // mechanism Lookups is disabled

	endpoints     atomic.Pointer[endpointSet] // nil until the first lookup has ended
	firstLookup   chan struct{}               // closed when the first lookup has ended
	lookupRequest chan struct{}               // a value asks for a lookup
	pickMu        sync.Mutex                  // so that two attempts do not both choose an endpoint because it is idle; guards turns
	ejectMu       sync.Mutex                  // so that simultaneous ejections leave one endpoint available

	lookupFailing bool // the last lookup failed; only refreshLoop uses it
	cancel        context.CancelFunc
	stopped       chan struct{}

	reachRequest chan struct{} // a value asks watchReach to dial the endpoints
	reachStopped chan struct{}
}

// endpointSet is the result of one lookup. It is replaced as a whole; only turns changes.
type endpointSet struct {
	endpoints  []*endpoint
	turns      []*endpoint // those whose turn comes in this round, the last one first
	ignoreLoad bool        // as in balancer
	err        error       // why endpoints is empty
}

// pick chooses an endpoint, other than avoid if possible, and counts an attempt to it. The
// caller must call done when the attempt has ended. pick waits only for the first lookup.
// The error is ErrNoAddress or that of ctx.
func (b *balancer) pick(ctx context.Context, avoid *endpoint) (*endpoint, error) {
	set := b.endpoints.Load()
	if set == nil {
		select {
		case <-b.firstLookup:
			set = b.endpoints.Load()
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
	if len(set.endpoints) == 0 {
		b.requestLookup()
		// The error of the lookup is not wrapped: its deadline is not the deadline of this call.
		return nil, fmt.Errorf("%w for %s: %v", ErrNoAddress, b.lookupConfig.host, set.err) //nolint:errorlint // see above
	}
	b.pickMu.Lock()
	defer b.pickMu.Unlock()
	now := time.Now()
	e := set.choose(now, avoid)
	e.begin(now)
	return e, nil
}

// done records the outcome of an attempt to e. It may eject e, and asks for a lookup
// after a connection error.
func (b *balancer) done(e *endpoint, duration time.Duration, o outcome) {
	now := time.Now()
	if e.end(now, duration, o) && !b.neverEject {
		b.eject(now, e)
	}
	if o == outcomeConnError {
		b.requestLookup()
		if !b.neverEject {
			b.requestReach()
		}
	}
}

// eject takes e out of use for a while, unless no other endpoint is available.
func (b *balancer) eject(now time.Time, e *endpoint) {
	b.ejectMu.Lock()
	defer b.ejectMu.Unlock()
	for _, other := range b.endpoints.Load().endpoints {
		if other == e || !other.available(now) {
			continue
		}
		if d := e.eject(now); d > 0 {
			b.log.Warn("endpoint ejected", slog.String("endpoint", e.hostPort), slog.Float64("ejection_seconds", d.Seconds()))
		}
		return
	}
}

// count returns how many endpoints are in use and how many are ejected at the moment.
func (b *balancer) count() (healthy, ejected int) {
	endpoints := b.endpoints.Load().list()
	now := time.Now()
	for _, e := range endpoints {
		if !e.ejected(now) {
			healthy++
		}
	}
	return healthy, len(endpoints) - healthy
}

// choose returns one of two endpoints that are available and not avoid: the one whose turn
// it is, unless its load is at least loadRatio times that of a random other one. If only
// avoid is available it returns avoid, and if none is available it returns any endpoint.
func (s *endpointSet) choose(now time.Time, avoid *endpoint) *endpoint {
	first := s.next(func(e *endpoint) bool { return e != avoid && e.available(now) })
	if first == nil {
		first = s.randomAvailable(now, nil, nil)
	}
	if first == nil {
		return s.endpoints[rand.IntN(len(s.endpoints))]
	}
	second := s.randomAvailable(now, avoid, first)
	if second == nil || s.ignoreLoad || first.load(now) < loadRatio*second.load(now) {
		return first
	}
	return second
}

// next returns the eligible endpoint whose turn it is, or nil if there is none. In each
// round, every endpoint has one turn, in random order. So the shares are equal after a few
// rounds, where chance alone takes hundreds of attempts to each, and calls that repeat a
// pattern do not always meet the same endpoint.
func (s *endpointSet) next(eligible func(*endpoint) bool) *endpoint {
	for range 2 * len(s.endpoints) { // the rest of this round, and one more
		if len(s.turns) == 0 {
			s.turns = append(s.turns, s.endpoints...)
			rand.Shuffle(len(s.turns), func(i, j int) { s.turns[i], s.turns[j] = s.turns[j], s.turns[i] })
		}
		last := len(s.turns) - 1
		e := s.turns[last]
		s.turns = s.turns[:last]
		if eligible(e) {
			return e
		}
	}
	return nil
}

// randomAvailable returns a random available endpoint other than two given ones, or nil
// if there is none. It draws at random a few times before it takes the first one in the
// list, because that one would get too many attempts otherwise.
func (s *endpointSet) randomAvailable(now time.Time, exclude, alsoExclude *endpoint) *endpoint {
	const draws = 8
	eligible := func(e *endpoint) bool { return e != exclude && e != alsoExclude && e.available(now) }
	for range draws {
		if e := s.endpoints[rand.IntN(len(s.endpoints))]; eligible(e) {
			return e
		}
	}
	if i := slices.IndexFunc(s.endpoints, eligible); i >= 0 {
		return s.endpoints[i]
	}
	return nil
}
