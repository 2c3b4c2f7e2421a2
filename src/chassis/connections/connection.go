package connections

import (
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"os"
	"sync"
	"sync/atomic"
	"time"
)

const (
	// pieceSize is the largest number of bytes that is written at once, so that a
	// client that reads slowly makes visible progress.
	pieceSize = 16 << 10
	// halfClosed is the time for which a client that has ended its sending still
	// counts as one that waits for its response.
	halfClosed = time.Second
)

// phase is what a connection waits for.
type phase int32

const (
	waiting phase = iota // for the header of a request: the connection is new or idle
	reading              // for the body of a request
	working              // for the service
	closed
)

// Conn is a connection that a Listener has accepted.
type Conn struct {
	*net.TCPConn
	listener *Listener
	phase    atomic.Int32
	since    atomic.Int64 // time since which the client makes no progress in this phase; see stalled
	writing  atomic.Int64 // time at which a write of one piece began, 0 if there is none
	began    atomic.Int64 // time at which the body began
	received atomic.Int64 // bytes of the body
	cut      atomic.Bool  // the body did not come in time

	mu       sync.Mutex
	deadline time.Time     // for reads
	wake     chan struct{} // closed to end the wait in awaitLeave; nil if there is none
}

type contextKey struct{}

// Attach makes a server tell connections what they wait for. The server needs no
// ReadTimeout and no WriteTimeout.
func Attach(server *http.Server) {
	server.ConnState = onState
	server.ConnContext = func(ctx context.Context, conn net.Conn) context.Context {
		return context.WithValue(ctx, contextKey{}, conn)
	}
}

// Of returns the connection of a request's context, or nil if no Listener has
// accepted it. All methods that package web calls work on nil.
func Of(ctx context.Context) *Conn {
	c, _ := ctx.Value(contextKey{}).(*Conn)
	return c
}

// onState learns from net/http that a header is complete or that the connection is
// idle.
func onState(conn net.Conn, state http.ConnState) {
	c, ok := conn.(*Conn)
	switch {
	case !ok:
	case state == http.StateActive:
		c.enter(waiting, working)
	case state == http.StateIdle:
		c.since.Store(c.listener.now())
		c.enter(working, waiting)
	}
}

// enter changes the phase, unless the connection was closed meanwhile.
func (c *Conn) enter(from, to phase) bool { return c.phase.CompareAndSwap(int32(from), int32(to)) }

func (c *Conn) is(p phase) bool { return phase(c.phase.Load()) == p }

// BeginBody declares that the client must send a body now.
func (c *Conn) BeginBody() {
	if c == nil {
		return
	}
	now := c.listener.now()
	c.began.Store(now)
	c.since.Store(now)
	c.received.Store(0)
	c.enter(working, reading)
}

// EndBody declares that no more of the body is awaited. It reports whether the body
// was cut because it came too slowly.
func (c *Conn) EndBody() (cut bool) {
	if c == nil {
		return false
	}
	c.enter(reading, working)
	return c.cut.Load()
}

// PauseBody calls wait, during which the client need not send. It returns the
// result of wait.
func (c *Conn) PauseBody(wait func() bool) bool {
	if c == nil {
		return wait()
	}
	began := c.listener.now()
	c.enter(reading, working)
	ok := wait()
	pause := c.listener.now() - began
	c.began.Add(pause)
	c.since.Add(pause)
	c.enter(working, reading)
	return ok
}

// CutSlowBodies closes all connections whose body makes no progress and has already
// more than that number of bytes.
func (c *Conn) CutSlowBodies(bytes int64) {
	c.cutStalled(func(other *Conn) bool { return other.is(reading) && other.received.Load() > bytes })
}

// CutUnread closes all connections whose client does not read its response. It
// reports whether there were any.
func (c *Conn) CutUnread() bool {
	return c.cutStalled(func(other *Conn) bool { return other.writing.Load() != 0 }) > 0
}

func (c *Conn) cutStalled(affects func(*Conn) bool) int {
	if c == nil {
		return 0
	}
	return c.listener.closeSlowest(c.listener.limits.Max, func(other *Conn) bool {
		return affects(other) && other.stalled(c.listener.now()) >= noProgress
	})
}

// stalled returns the time for which the client has made no progress. It is 0 while
// the connection waits for the service.
func (c *Conn) stalled(now int64) time.Duration {
	if began := c.writing.Load(); began != 0 {
		return time.Duration(now - began)
	}
	if c.is(waiting) || c.is(reading) {
		return time.Duration(now - c.since.Load())
	}
	return 0
}

// bodyOverdue reports whether the body is later than the limits allow.
func (c *Conn) bodyOverdue(now int64) bool {
	if !c.is(reading) {
		return false
	}
	elapsed := time.Duration(now - c.began.Load())
	return elapsed > min(c.listener.limits.BodyGrace+duration(c.received.Load()), bodyTimeout)
}

// cutBody ends the read that waits for the body. The request then gets its
// response, which says so.
func (c *Conn) cutBody() {
	c.cut.Store(true)
	_ = c.SetReadDeadline(time.Unix(1, 0))
}

// Read counts the bytes of a body. While a request is served, it reports the end of
// the client's sending only after halfClosed: net/http takes it for the end of the
// connection, but a client may end its sending and still wait for the response.
func (c *Conn) Read(p []byte) (int, error) {
	n, err := c.TCPConn.Read(p)
	if n > 0 && c.is(reading) {
		c.progress(n)
	}
	if errors.Is(err, io.EOF) && !c.is(waiting) {
		err = c.awaitLeave()
	}
	return n, err
}

func (c *Conn) progress(n int) {
	c.received.Add(int64(n))
	c.since.Store(min(c.listener.now(), c.since.Load()+int64(duration(int64(n)))))
}

// awaitLeave returns io.EOF after halfClosed, or the error of a read whose deadline
// has passed as soon as one has.
func (c *Conn) awaitLeave() error {
	wait, wake := halfClosed, make(chan struct{})
	c.mu.Lock()
	c.wake = wake
	if !c.deadline.IsZero() {
		wait = min(wait, time.Until(c.deadline))
	}
	c.mu.Unlock()
	if wait <= 0 {
		return os.ErrDeadlineExceeded
	}
	timer := time.NewTimer(wait)
	defer timer.Stop()
	select {
	case <-timer.C:
		return io.EOF
	case <-wake:
		return os.ErrDeadlineExceeded
	}
}

func passed(deadline time.Time) bool { return !deadline.IsZero() && !deadline.After(time.Now()) }

// SetReadDeadline sets the deadline for reads. net/http often removes a deadline
// that is not set; that costs nothing here.
func (c *Conn) SetReadDeadline(t time.Time) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if t.IsZero() && c.deadline.IsZero() {
		return nil
	}
	c.deadline = t
	if c.wake != nil && passed(t) {
		close(c.wake)
		c.wake = nil
	}
	return c.TCPConn.SetReadDeadline(t)
}

// SetWriteDeadline does nothing: each write has a deadline of its own.
func (*Conn) SetWriteDeadline(time.Time) error { return nil }

// Write writes in pieces. The connection is closed if the client does not read a
// piece within writeTimeout.
func (c *Conn) Write(p []byte) (written int, err error) {
	for {
		piece := p[written:min(len(p), written+pieceSize)]
		c.writing.Store(c.listener.now())
		n, err := c.TCPConn.Write(piece)
		written += n
		if err != nil || written == len(p) {
			c.writing.Store(0)
			return written, err
		}
	}
}

// Close closes the connection; the listener then forgets it.
func (c *Conn) Close() error {
	c.phase.Store(int32(closed))
	c.listener.forget(c)
	_ = c.SetReadDeadline(time.Unix(1, 0)) // ends awaitLeave
	return c.TCPConn.Close()
}
