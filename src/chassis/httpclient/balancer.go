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

// balancer spreads tries over the peer's addresses: of two that are picked at random, the
// second if it is clearly less loaded ("power of two choices"), where load is EWMA latency
// times tries in flight. It is no http.RoundTripper, since only the caller knows whether the body
// came through, and because a retry must be able to say which address to avoid.
type balancer struct {
	source source
	log    *slog.Logger
	blind  bool // see Latency
	ejects bool // see Ejection
	once   bool // see Lookups

	set      atomic.Pointer[addressSet] // nil until the first look-up is through
	first    chan struct{}              // closed when it is
	wake     chan struct{}              // asks for a look-up
	choosing sync.Mutex                 // so that two do not both find an address idle
	ejecting sync.Mutex                 // so that two cannot eject each other's last alternative

	failing bool // the last look-up failed; only its goroutine looks
	cancel  context.CancelFunc
	stopped chan struct{}
}

// addressSet is what one look-up has brought. It is never changed, only replaced.
type addressSet struct {
	addresses []*address
	blind     bool  // see Latency
	err       error // why there are none
}

// pick chooses an address other than avoid, if it can, and counts a try to it; done must
// follow. It waits only for the very first look-up. The error is ErrNoAddress or that of
// ctx.
func (b *balancer) pick(ctx context.Context, avoid *address) (*address, error) {
	set := b.set.Load()
	if set == nil {
		select {
		case <-b.first:
			set = b.set.Load()
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
	if len(set.addresses) == 0 {
		b.resolveSoon()
		// Not wrapped: the look-up may have run into a deadline, but it was not this call's.
		return nil, fmt.Errorf("%w for %s: %v", ErrNoAddress, b.source.host, set.err) //nolint:errorlint // see above
	}
	b.choosing.Lock()
	defer b.choosing.Unlock()
	now := time.Now()
	a := set.choose(now, avoid)
	a.begin(now)
	return a, nil
}

// done takes note of how a try at a went.
func (b *balancer) done(a *address, took time.Duration, v verdict) {
	now := time.Now()
	if a.end(now, took, v) && b.ejects {
		b.eject(now, a)
	}
	if v == broken {
		b.resolveSoon()
	}
}

// eject takes a out of use for a while, unless that would leave none.
func (b *balancer) eject(now time.Time, a *address) {
	b.ejecting.Lock()
	defer b.ejecting.Unlock()
	for _, other := range b.set.Load().addresses {
		if other == a || !other.usable(now) {
			continue
		}
		if d := a.eject(now); d > 0 {
			b.log.Warn("address ejected", "address", a.hostPort, "for", d)
		}
		return
	}
}

// count is how many addresses are in use and how many are ejected at the moment.
func (b *balancer) count() (healthy, ejected int) {
	addresses := b.set.Load().list()
	now := time.Now()
	for _, a := range addresses {
		if !a.ejected(now) {
			healthy++
		}
	}
	return healthy, len(addresses) - healthy
}

// noticeable is how many times the load of another address is more than noise. A smaller
// difference would send nearly all tries to whichever address is quicker by chance, whereas
// equal ones should get equal shares: then each pod needs equal room, and losing any of
// them costs as little. An idle address is still preferred to an equally quick one that
// has a try in flight, which is exactly twice as loaded.
const noticeable = 2

// choose returns one of two random addresses that are usable and not to be avoided: the
// first, unless its load is noticeably higher; failing that one to be avoided; failing
// that any.
func (s *addressSet) choose(now time.Time, avoid *address) *address {
	a := s.next(now, avoid, nil)
	if a == nil {
		a = s.next(now, nil, nil)
	}
	if a == nil {
		return s.addresses[rand.IntN(len(s.addresses))]
	}
	b := s.next(now, avoid, a)
	if b == nil || s.blind || a.load(now) < noticeable*b.load(now) {
		return a
	}
	return b
}

// next is a random usable address that is neither of two others, or nil. It guesses a few
// times before it goes through them all, since the one that follows an ejected address
// would otherwise get that one's share besides its own.
func (s *addressSet) next(now time.Time, not, nor *address) *address {
	const guesses = 8
	fits := func(a *address) bool { return a != not && a != nor && a.usable(now) }
	for range guesses {
		if a := s.addresses[rand.IntN(len(s.addresses))]; fits(a) {
			return a
		}
	}
	if i := slices.IndexFunc(s.addresses, fits); i >= 0 {
		return s.addresses[i]
	}
	return nil
}
