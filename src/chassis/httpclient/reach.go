package httpclient

import (
	"context"
	"log/slog"
	"net"
	"sync"
	"time"
)

const (
	// reachInterval is the time between two looks at the endpoints that are unreachable.
	reachInterval = time.Second
	// provenFor is how long an attempt that succeeded shows that its endpoint is reachable.
	provenFor = time.Second
	// maxDials is how many endpoints are dialed at the same time: 150 that do not answer are
	// known after five times dialTimeout.
	maxDials = 32
)

// watchReach finds out which endpoints are unreachable, until ctx ends: after a connection
// error it dials all endpoints that have not just succeeded, and from then on those that
// do not accept a connection, until they do. So a call pays for a dead endpoint only until
// it is known, and live ones are found even if most are dead: ejection alone would be over
// for the first of many before the last is tried.
func (b *balancer) watchReach(ctx context.Context) {
	defer close(b.reachStopped)
	for {
		var again <-chan time.Time
		if b.anyUnreachable() {
			again = time.After(reachInterval)
		}
		select {
		case <-ctx.Done():
			return
		case <-b.reachRequest:
			b.dialAll(ctx, func(e *endpoint) bool { return !e.proven(time.Now()) })
		case <-again:
			b.dialAll(ctx, (*endpoint).isUnreachable)
		}
	}
}

// requestReach asks watchReach to dial the endpoints. It does not wait for the result.
func (b *balancer) requestReach() {
	select {
	case b.reachRequest <- struct{}{}:
	default: // it is already asked
	}
}

func (b *balancer) anyUnreachable() bool {
	for _, e := range b.endpoints.Load().list() {
		if e.isUnreachable() {
			return true
		}
	}
	return false
}

// dialAll dials the endpoints that which selects and notes those that do not accept a
// connection, but for the last one that is available.
func (b *balancer) dialAll(ctx context.Context, which func(*endpoint) bool) {
	var group sync.WaitGroup
	slots := make(chan struct{}, maxDials)
	var mu sync.Mutex
	lost, found := 0, 0
	for _, e := range b.endpoints.Load().list() {
		if !which(e) {
			continue
		}
		slots <- struct{}{}
		group.Go(func() {
			defer func() { <-slots }()
			reached := b.dial(ctx, e)
			if ctx.Err() != nil {
				return
			}
			mu.Lock()
			defer mu.Unlock()
			switch {
			case reached && e.setReachable(time.Now()):
				found++
			case !reached && b.isolate(e):
				lost++
			}
		})
	}
	group.Wait()
	if lost+found > 0 {
		b.log.Warn("reachable endpoints changed", slog.Int("unreachable", lost), slog.Int("reachable_again", found))
	}
}

// dial returns whether e accepts a connection.
func (b *balancer) dial(ctx context.Context, e *endpoint) bool {
	conn, err := (&net.Dialer{Timeout: dialTimeout}).DialContext(ctx, "tcp", e.hostPort)
	if err != nil {
		return false
	}
	_ = conn.Close()
	return true
}

// isolate notes that e is unreachable, unless no other endpoint is available. It returns
// whether that is new.
func (b *balancer) isolate(e *endpoint) bool {
	b.ejectMu.Lock()
	defer b.ejectMu.Unlock()
	now := time.Now()
	for _, other := range b.endpoints.Load().endpoints {
		if other != e && other.available(now) {
			return e.setUnreachable()
		}
	}
	return false
}

// proven returns whether an attempt has just succeeded.
func (e *endpoint) proven(now time.Time) bool {
	e.mu.Lock()
	defer e.mu.Unlock()
	return now.Sub(e.succeededAt) < provenFor
}

func (e *endpoint) isUnreachable() bool {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.unreachable
}

// setUnreachable takes e out of use until setReachable. It returns whether that is new.
func (e *endpoint) setUnreachable() bool {
	e.mu.Lock()
	defer e.mu.Unlock()
	changed := !e.unreachable
	e.unreachable = true
	return changed
}

// setReachable ends setUnreachable, and the ejection that came with it: e gets one attempt
// at a time until one succeeds. It returns whether that is new.
func (e *endpoint) setReachable(now time.Time) bool {
	e.mu.Lock()
	defer e.mu.Unlock()
	changed := e.unreachable
	if changed {
		e.unreachable = false
		e.ejectedUntil = now
		e.consecutiveEjections = max(e.consecutiveEjections, 1)
	}
	return changed
}
