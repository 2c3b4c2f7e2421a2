package main

import (
	"bufio"
	"bytes"
	"errors"
	"io"
	"net"
	"net/http"
	"sync"
	"sync/atomic"
	"syscall"
	"time"
)

// idleTimeout is how long an idle connection is reused. It is shorter than the
// charts' drain delay.
const idleTimeout = 3 * time.Second

// client sends each request exactly once. net/http.Client would send a GET again if
// a kept connection broke, and so hide the errors that the tests look for.
type client struct {
	address string
	dials   atomic.Uint64
	mu      sync.Mutex
	idle    []*connection
}

// connection is a connection to the service.
type connection struct {
	net.Conn
	reader   *bufio.Reader
	lastUsed time.Time
}

// response is a response with its complete body.
type response struct {
	status int
	header http.Header
	body   []byte
	close  bool // the service closes the connection after it
}

// newClient returns a client of an address, a host and a port. It derives the first
// local port from the clock, so that it does not reuse the recent ports of an earlier
// run unless that dialled more than 100 times per second.
func newClient(address string) *client {
	c := &client{address: address}
	c.dials.Store(uint64(time.Now().UnixMilli() / 10)) //nolint:gosec // the clock is after 1970
	return c
}

// do sends a request on a new connection or on a kept one.
func (c *client) do(request *http.Request, newConnection bool) (response, error) {
	request.Close = newConnection
	conn, err := c.connect(newConnection)
	if err != nil {
		return response{}, err
	}
	got, err := conn.roundTrip(request)
	if err != nil || newConnection || got.close {
		_ = conn.Close()
		return got, err
	}
	conn.lastUsed = time.Now()
	c.mu.Lock()
	defer c.mu.Unlock()
	c.idle = append(c.idle, conn)
	return got, nil
}

// connect returns an idle connection that is still open, or a new one.
func (c *client) connect(newConnection bool) (*connection, error) {
	for !newConnection {
		conn := c.takeIdle()
		if conn == nil {
			break
		}
		if conn.isOpen() {
			return conn, nil
		}
		_ = conn.Close()
	}
	conn, err := c.dial()
	if err != nil {
		return nil, err
	}
	return &connection{Conn: conn, reader: bufio.NewReader(conn)}, nil
}

// dial connects from the local port that was not used for the longest time. After a
// connection attempt without a response, a node remembers for two minutes to which
// pod it sent the attempt, and sends every packet from the same port to that pod. The
// load stands for many clients, which do not share local ports, but the kernel would
// soon choose a recent port again.
func (c *client) dial() (net.Conn, error) {
	const first, ports = 1024, 1<<16 - 1024
	for attempt := 0; ; attempt++ {
		from := &net.TCPAddr{Port: first + int(c.dials.Add(1)%ports)}
		conn, err := (&net.Dialer{Timeout: requestTimeout, LocalAddr: from}).Dial("tcp", c.address)
		inUse := errors.Is(err, syscall.EADDRINUSE) || errors.Is(err, syscall.EADDRNOTAVAIL)
		if !inUse || attempt == ports {
			return conn, err
		}
	}
}

// takeIdle returns the idle connection that was used last, or nil if there is none
// that was used within idleTimeout. A client that sends no request twice must not
// keep a connection longer than the service drains: during the drain, the service
// tells the client to close it. After the drain, the service closes it itself, perhaps
// while a request is sent.
func (c *client) takeIdle() *connection {
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(c.idle) == 0 {
		return nil
	}
	last := len(c.idle) - 1
	conn := c.idle[last]
	c.idle = c.idle[:last]
	if time.Since(conn.lastUsed) > idleTimeout {
		_ = conn.Close()
		return nil
	}
	return conn
}

// isOpen reports whether the service has not closed the connection, as every client
// checks before it reuses one. It does not block: with a deadline instead, the
// deadline could pass before the check.
func (c *connection) isOpen() (open bool) {
	socket, err := c.Conn.(syscall.Conn).SyscallConn()
	if err != nil {
		return false
	}
	err = socket.Read(func(fd uintptr) bool {
		_, _, err := syscall.Recvfrom(int(fd), make([]byte, 1), syscall.MSG_PEEK|syscall.MSG_DONTWAIT)
		open = errors.Is(err, syscall.EAGAIN)
		return true
	})
	return open && err == nil
}

// roundTrip sends a request and reads the response.
func (c *connection) roundTrip(request *http.Request) (response, error) {
	_ = c.SetDeadline(time.Now().Add(requestTimeout))
	var text bytes.Buffer
	if err := request.Write(&text); err != nil {
		return response{}, err
	}
	if _, err := c.Write(text.Bytes()); err != nil {
		return response{}, err
	}
	got, err := http.ReadResponse(c.reader, request)
	if err != nil {
		return response{}, err
	}
	defer got.Body.Close()
	body, err := io.ReadAll(got.Body)
	return response{got.StatusCode, got.Header, body, got.Close}, err
}
