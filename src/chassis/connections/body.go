package connections

import (
	"cmp"
	"context"
	"math"
	"sync/atomic"
	"time"

	"golang.org/x/sync/semaphore"
)

// maxBodyWait is the longest time that a body waits for others.
const maxBodyWait = 5 * time.Second

// places limit the bodies that are read at once: their number, with one place for each,
// or their size, with one for each byte.
type places struct {
	*semaphore.Weighted
	waiting atomic.Int64 // bodies that wait for places
}

func newPlaces(n int64) *places {
	return &places{Weighted: semaphore.NewWeighted(cmp.Or(n, math.MaxInt64))}
}

// acquire takes n places. If there are fewer, it cuts slow bodies and waits up to
// maxBodyWait, but not longer than until the listener is closed. It reports whether it
// got them.
func (l *Listener) acquire(p *places, n int64) bool {
	if p.TryAcquire(n) {
		return true
	}
	p.waiting.Add(1)
	defer p.waiting.Add(-1)
	l.relieveBodies()
	ctx, cancel := context.WithTimeout(l.open, maxBodyWait)
	defer cancel()
	return p.Acquire(ctx, n) == nil
}

// BeginBody declares that the client must send a body now. It waits while too many
// others are being read, and reports whether this one may be. If so, EndBody must be
// called.
func (c *Conn) BeginBody() bool {
	if c == nil {
		return true
	}
	if !c.listener.acquire(c.listener.bodies, 1) {
		return false
	}
	now := c.listener.now()
	c.began.Store(now)
	c.since.Store(now)
	c.received.Store(0)
	c.enter(working, reading)
	return true
}

// EndBody declares that no more of the body is awaited. It reports whether the body
// was cut because it came too slowly.
func (c *Conn) EndBody() (cut bool) {
	if c == nil {
		return false
	}
	c.listener.bodies.Release(1)
	if c.enter(reading, working) {
		return false
	}
	c.enter(late, working)
	return true
}

// ReserveBody waits until that many bytes of the body fit among those of others, and
// reports whether they do. Meanwhile the client need not send. They are reserved until
// ReleaseBody.
func (c *Conn) ReserveBody(bytes int64) bool {
	if c == nil {
		return true
	}
	began := c.listener.now()
	c.enter(reading, working)
	ok := c.listener.acquire(c.listener.bodyBytes, bytes)
	if ok {
		c.reserved.Store(bytes)
	}
	pause := c.listener.now() - began
	c.began.Add(pause)
	c.since.Add(pause)
	c.enter(working, reading)
	return ok
}

// ReleaseBody declares that the body needs no more memory.
func (c *Conn) ReleaseBody() {
	if c == nil {
		return
	}
	if bytes := c.reserved.Swap(0); bytes > 0 {
		c.listener.bodyBytes.Release(bytes)
	}
}

// relieveBodies cuts the slowest bodies, as many as others wait for, but none that
// makes progress.
func (l *Listener) relieveBodies() {
	l.cutSlowBodies(l.bodies.waiting.Load(), func(*Conn) bool { return true })
	l.cutSlowBodies(l.bodyBytes.waiting.Load(), func(c *Conn) bool { return c.reserved.Load() > 0 })
}

func (l *Listener) cutSlowBodies(n int64, affects func(*Conn) bool) {
	if n == 0 {
		return
	}
	for _, c := range l.slowest(int(n), func(c *Conn) bool { return c.is(reading) && c.stalled(l.now()) >= noProgress && affects(c) }) {
		c.cutBody()
	}
}

// bodyOverdue reports whether the body is later than the limits allow.
func (c *Conn) bodyOverdue(now int64) bool {
	if !c.is(reading) {
		return false
	}
	elapsed := time.Duration(now - c.began.Load())
	return elapsed > min(c.listener.limits.BodyGrace+duration(c.received.Load()), bodyTimeout)
}

// cutBody ends the read that waits for the body, if one does. The request then gets
// its response, which says so.
func (c *Conn) cutBody() {
	if c.enter(reading, late) {
		_ = c.SetReadDeadline(time.Unix(1, 0))
	}
}

// progress counts bytes of a body.
func (c *Conn) progress(n int) {
	c.received.Add(int64(n))
	c.since.Store(min(c.listener.now(), c.since.Load()+int64(duration(int64(n)))))
}
