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
	late                 // for nothing: the body did not come in time
	working              // for the service
	queued               // for the turn of a pipelined request; see Queue
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
	reserved atomic.Int64 // bytes that the body may take in memory; see ReserveBody
	unsent   atomic.Int64 // bytes of the response; see BeginResponse

	answered  atomic.Bool // the sending of a response to the request has begun
	early     atomic.Bool // bytes of the next request came before that
	fresh     atomic.Bool // bytes of the next request came after that
	pipelined bool        // the request was sent before the response to the one before

	mu       sync.Mutex
	deadline time.Time     // for reads
	wake     chan struct{} // closed to end the wait in awaitLeave; nil if there is none
}

type contextKey struct{}

// Attach makes a server, which has its Handler already, tell connections what they
// wait for. It needs no ReadTimeout and no WriteTimeout.
func Attach(server *http.Server) {
	inner := server.Handler
	server.Handler = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if c := Of(r.Context()); c != nil {
			c.beginRequest()
		}
		inner.ServeHTTP(w, r)
	})
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

// onState learns from net/http that the connection is idle. That a request begins it
// learns from the handler, since net/http reports StateActive at the first byte of a
// request, before its header is complete.
func onState(conn net.Conn, state http.ConnState) {
	if c, ok := conn.(*Conn); ok && state == http.StateIdle {
		c.since.Store(c.listener.now())
		c.enter(working, waiting)
	}
}

// enter changes the phase, unless the connection was closed meanwhile.
func (c *Conn) enter(from, to phase) bool { return c.phase.CompareAndSwap(int32(from), int32(to)) }

func (c *Conn) is(p phase) bool { return phase(c.phase.Load()) == p }

// beginRequest declares that the service works on a request now.
func (c *Conn) beginRequest() {
	early, fresh := c.early.Swap(false), c.fresh.Swap(false)
	c.pipelined = early || !fresh
	c.answered.Store(false)
	c.enter(waiting, working)
}

// Pipelined reports whether the client has sent the request before the response to
// the one before was sent.
func (c *Conn) Pipelined() bool { return c != nil && c.pipelined }

// Queue calls wait, during which the service does not work on the connection: it can
// be closed to make room for others. Queue reports whether it was not.
func (c *Conn) Queue(wait func()) bool {
	c.since.Store(c.listener.now())
	c.enter(working, queued)
	wait()
	return c.enter(queued, working)
}

// stalled returns the time for which the client has made no progress. It is 0 while
// the connection waits for the service.
func (c *Conn) stalled(now int64) time.Duration {
	if began := c.writing.Load(); began != 0 {
		return time.Duration(now - began)
	}
	if c.is(waiting) || c.is(reading) || c.is(queued) {
		return time.Duration(now - c.since.Load())
	}
	return 0
}

// Read counts the bytes of a body. While a request is served, it reports the end of
// the client's sending only after halfClosed: net/http takes it for the end of the
// connection, but a client may end its sending and still wait for the response.
func (c *Conn) Read(p []byte) (int, error) {
	n, err := c.TCPConn.Read(p)
	if n > 0 {
		c.countRead(n)
	}
	if errors.Is(err, io.EOF) && !c.is(waiting) {
		err = c.awaitLeave()
	}
	return n, err
}

func (c *Conn) countRead(n int) {
	switch {
	case c.is(reading):
		c.progress(n)
	case c.is(waiting) || c.answered.Load():
		c.fresh.Store(true)
	default:
		c.early.Store(true)
	}
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
	c.answered.Store(true)
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
	c.EndResponse()
	c.listener.forget(c)
	_ = c.SetReadDeadline(time.Unix(1, 0)) // ends awaitLeave
	return c.TCPConn.Close()
}
