package main

import (
	"bufio"
	"bytes"
	"errors"
	"io"
	"net"
	"net/http"
	"os"
	"sync"
	"time"
)

// keepFor is how long an idle connection is used again, less than the charts'
// drain delay.
const keepFor = 3 * time.Second

// client sends each request once. net/http would send a GET again whose kept
// connection broke, and so hide what a test looks for.
type client struct {
	address string
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
	conn, err := net.DialTimeout("tcp", c.address, longest)
	if err != nil {
		return nil, err
	}
	return &connection{Conn: conn, reader: bufio.NewReader(conn)}, nil
}

// kept is the connection that was used last; nil where there is none. Whoever
// sends nothing twice must not keep a connection longer than the service drains:
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
// looks before it uses one again.
func (c *connection) isOpen() bool {
	_ = c.SetReadDeadline(time.Now().Add(100 * time.Microsecond))
	_, err := c.reader.Peek(1)
	return errors.Is(err, os.ErrDeadlineExceeded)
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
