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

// keepFor is how long an idle connection is used again, less than the charts'
// drain delay.
const keepFor = 3 * time.Second

// client sends each request once. net/http would send a GET again whose kept
// connection broke, and so hide what a test looks for.
type client struct {
	address string
	dials   atomic.Uint64
	mu      sync.Mutex
	idle    []*connection
}

// connection is one to the service.
type connection struct {
	net.Conn
	reader *bufio.Reader
	used   time.Time // for the last time
}

// answer is one that was read to its end.
type answer struct {
	status int
	header http.Header
	body   []byte
	last   bool // on its connection
}

// send sends a request, on a connection of its own or on one that was kept.
func (c *client) send(request *http.Request, fresh bool) (answer, error) {
	request.Close = fresh
	conn, err := c.connect(fresh)
	if err != nil {
		return answer{}, err
	}
	a, err := conn.exchange(request)
	if err != nil || fresh || a.last {
		_ = conn.Close()
		return a, err
	}
	conn.used = time.Now()
	c.mu.Lock()
	defer c.mu.Unlock()
	c.idle = append(c.idle, conn)
	return a, nil
}

func (c *client) connect(fresh bool) (*connection, error) {
	for !fresh {
		conn := c.kept()
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

// dial connects from a port that was not used for long. For two minutes a node
// remembers to which pod it has sent a connection that was not answered, and
// sends there whatever comes from the same port: many callers, for whom the load
// stands, do not share their ports, but the kernel would soon choose one again.
func (c *client) dial() (net.Conn, error) {
	const first, ports = 1024, 1<<16 - 1024
	for try := 0; ; try++ {
		from := &net.TCPAddr{Port: first + int(c.dials.Add(1)%ports)}
		conn, err := (&net.Dialer{Timeout: longest, LocalAddr: from}).Dial("tcp", c.address)
		taken := errors.Is(err, syscall.EADDRINUSE) || errors.Is(err, syscall.EADDRNOTAVAIL)
		if !taken || try == ports {
			return conn, err
		}
	}
}

// newClient counts its dials from the clock in hundredths of a second, so that it
// does not meet the ports of an earlier run that dialled less often.
func newClient(address string) *client {
	c := &client{address: address}
	c.dials.Store(uint64(time.Now().UnixMilli() / 10)) //nolint:gosec // it is long after 1970
	return c
}

// kept is the connection that was used last; nil where there is none, or none of
// late. Whoever sends nothing twice must not keep a connection longer than the service drains:
// within that time it is told to close it, after it the service does, perhaps
// just when a request is sent.
func (c *client) kept() *connection {
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(c.idle) == 0 {
		return nil
	}
	last := len(c.idle) - 1
	conn := c.idle[last]
	c.idle = c.idle[:last]
	if time.Since(conn.used) > keepFor {
		_ = conn.Close()
		return nil
	}
	return conn
}

// isOpen says whether the service has left a connection open, as any client
// looks before it uses one again. It does not wait: a deadline might pass before
// the connection was looked at.
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

func (c *connection) exchange(request *http.Request) (answer, error) {
	_ = c.SetDeadline(time.Now().Add(longest))
	var text bytes.Buffer
	if err := request.Write(&text); err != nil {
		return answer{}, err
	}
	if _, err := c.Write(text.Bytes()); err != nil {
		return answer{}, err
	}
	response, err := http.ReadResponse(c.reader, request)
	if err != nil {
		return answer{}, err
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	return answer{response.StatusCode, response.Header, body, response.Close}, err
}
