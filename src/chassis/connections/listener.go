// Package connections bounds what the clients of an HTTP server can hold. Its
// Listener knows what each connection waits for, cuts a client that is too slow, and
// makes room for a new one at the cost of the connection that is idle or slow for the
// longest time, never of one that the service works on.
package connections

import (
	"cmp"
	"context"
	"errors"
	"net"
	"slices"
	"sync"
	"sync/atomic"
	"syscall"
	"time"
)

const (
	// minRate is the number of bytes a second that a body must have on average.
	minRate = 4 << 10
	// bodyTimeout is the longest time that a body may take.
	bodyTimeout = time.Minute
	// writeTimeout is the longest time that a client may take to read pieceSize bytes.
	writeTimeout = 15 * time.Second
	// noProgress is the time without progress at minRate after which a body or a
	// response can be cut to make room for others.
	noProgress = time.Second
	// sweepInterval is the time between two looks at all connections.
	sweepInterval = 250 * time.Millisecond
	// bufferSize is the size in bytes of the kernel's buffers of a connection in each
	// direction; Linux doubles it. It bounds the memory of unread responses.
	bufferSize = 16 << 10
)

// Listener accepts connections and watches them, also after it is closed, until the
// last connection has ended.
type Listener struct {
	net.Listener
	limits Limits
	epoch  time.Time
	open   context.Context // ends when the Listener is closed
	stop   context.CancelFunc

	bodies, bodyBytes *places      // for the number of bodies, and for their bytes
	unsent            atomic.Int64 // bytes of the responses that wait to be sent

	mu       sync.Mutex
	conns    map[*Conn]struct{}
	stopping int64 // time of Close, 0 before it
}

// Limit returns a listener that accepts the TCP connections of another one and
// applies the limits to them.
func Limit(inner net.Listener, limits Limits) *Listener {
	// Times count from an epoch in the past, so that 0 is no time.
	l := &Listener{Listener: inner, limits: limits, epoch: time.Now().Add(-time.Second), conns: map[*Conn]struct{}{}}
	l.bodies, l.bodyBytes = newPlaces(int64(limits.Bodies.Number)), newPlaces(limits.Bodies.Bytes)
	l.open, l.stop = context.WithCancel(context.Background())
	go l.watch()
	return l
}

// now returns the time in nanoseconds since the epoch.
func (l *Listener) now() int64 { return int64(time.Since(l.epoch)) }

// duration returns the time that bytes take at minRate.
func duration(bytes int64) time.Duration { return time.Duration(bytes) * time.Second / minRate }

// Accept returns the next connection. If there are more than the limit, it closes
// others.
func (l *Listener) Accept() (net.Conn, error) {
	inner, err := l.Listener.Accept()
	if err != nil {
		if errors.Is(err, syscall.EMFILE) {
			l.makeRoom(nil) // net/http tries again shortly
		}
		return nil, err
	}
	conn := inner.(*net.TCPConn)
	// Without them, the connection has the buffers of the system.
	_ = errors.Join(conn.SetReadBuffer(bufferSize), conn.SetWriteBuffer(bufferSize))
	c := &Conn{TCPConn: conn, listener: l}
	c.since.Store(l.now())
	l.mu.Lock()
	l.conns[c] = struct{}{}
	full := len(l.conns) > l.limits.Max
	l.mu.Unlock()
	if full {
		l.makeRoom(c)
	}
	return c, nil
}

// makeRoom closes the connections that are idle or slow for the longest time, but not
// the newest one: a few at once, so that a flood of new ones does not look at all
// connections for each.
func (l *Listener) makeRoom(newest *Conn) {
	for _, c := range l.slowest(max(1, l.limits.Max/64), func(c *Conn) bool {
		return c != newest && (c.is(waiting) || c.is(queued) || c.stalled(l.now()) >= noProgress)
	}) {
		c.abandon()
	}
}

// slowest returns up to n of the connections that the function selects, the longest
// stalled first.
func (l *Listener) slowest(n int, selects func(*Conn) bool) []*Conn {
	now := l.now()
	stalled := map[*Conn]time.Duration{}
	var selected []*Conn
	for _, c := range l.all() {
		if selects(c) {
			selected = append(selected, c)
			stalled[c] = c.stalled(now)
		}
	}
	slices.SortFunc(selected, func(a, b *Conn) int { return cmp.Compare(stalled[b], stalled[a]) })
	return selected[:min(n, len(selected))]
}

// abandon closes the connection, unless the service works on it or its client made
// progress meanwhile.
func (c *Conn) abandon() {
	stops := c.enter(reading, closed) || c.enter(waiting, closed) || c.enter(queued, closed)
	if stops || c.stalled(c.listener.now()) >= noProgress {
		_ = c.Close()
	}
}

func (l *Listener) all() []*Conn {
	l.mu.Lock()
	defer l.mu.Unlock()
	conns := make([]*Conn, 0, len(l.conns))
	for c := range l.conns {
		conns = append(conns, c)
	}
	return conns
}

func (l *Listener) forget(c *Conn) {
	l.mu.Lock()
	defer l.mu.Unlock()
	delete(l.conns, c)
}

// Close stops to accept connections. Those that wait for a request are closed at
// once, and from now on each that makes no progress for StopPatience.
func (l *Listener) Close() error {
	l.mu.Lock()
	if l.stopping == 0 {
		l.stopping = l.now()
	}
	l.mu.Unlock()
	l.stop()
	err := l.Listener.Close()
	l.sweep()
	return err
}

// watch sweeps until the listener is closed and the last connection has ended.
func (l *Listener) watch() {
	ticker := time.NewTicker(sweepInterval)
	defer ticker.Stop()
	for !l.sweep() {
		<-ticker.C
	}
}

// sweep cuts what is overdue. It reports whether there is nothing left to watch.
func (l *Listener) sweep() (done bool) {
	l.mu.Lock()
	stopping := l.stopping
	l.mu.Unlock()
	now := l.now()
	conns := l.all()
	for _, c := range conns {
		switch stalled := c.stalled(now); {
		case stopping != 0 && c.is(waiting):
			c.abandon()
		case stopping != 0 && min(stalled, time.Duration(now-stopping)) > l.limits.StopPatience:
			c.cutOrClose()
		case c.bodyOverdue(now):
			c.cutBody()
		case c.writing.Load() != 0 && stalled > writeTimeout:
			_ = c.Close()
		}
	}
	l.relieveBodies()
	l.relieveResponses()
	return stopping != 0 && len(conns) == 0
}

// cutOrClose cuts a body, whose request then gets a response, and otherwise closes
// the connection.
func (c *Conn) cutOrClose() {
	if c.is(reading) {
		c.cutBody()
		return
	}
	_ = c.Close()
}
