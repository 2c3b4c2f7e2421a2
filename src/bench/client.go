package main

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"net"
	"net/http"
	"strconv"
	"time"
)

// gracePeriod is how long a client waits for its last response after the end of
// a load.
const gracePeriod = 5 * time.Second

// loadClient sends requests on one keep-alive connection.
//
// It implements only the part of HTTP/1.1 that the services use. It shares the
// processors with the services, so its cost is part of every measurement and
// makes contenders look more alike than they are; net/http would cost more.
type loadClient struct {
	address   string
	degraded  []byte
	deadline  time.Time
	conn      net.Conn
	responses *bufio.Reader
}

// send sends a request and returns the status of the response, or noResponse or
// degraded.
func (c *loadClient) send(request []byte) int {
	key, err := c.roundTrip(request)
	if err != nil {
		c.disconnect()
		return noResponse
	}
	return key
}

func (c *loadClient) roundTrip(request []byte) (int, error) {
	if c.conn == nil {
		if err := c.connect(); err != nil {
			return 0, err
		}
	}
	if _, err := c.conn.Write(request); err != nil {
		return 0, err
	}
	status, size, err := readHead(c.responses)
	if err != nil {
		return 0, err
	}
	if len(c.degraded) > 0 && status < http.StatusMultipleChoices {
		if body, err := c.responses.Peek(size); err != nil || bytes.Contains(body, c.degraded) {
			status = degraded
		}
	}
	_, err = c.responses.Discard(size)
	return status, err
}

func (c *loadClient) connect() (err error) {
	if c.conn, err = net.DialTimeout("tcp", c.address, gracePeriod); err != nil {
		c.conn = nil
		time.Sleep(time.Millisecond) // do not dial a server that is down in a busy loop
		return err
	}
	c.responses = bufio.NewReader(c.conn)
	return c.conn.SetDeadline(c.deadline)
}

func (c *loadClient) disconnect() {
	if c.conn != nil {
		c.conn.Close()
		c.conn = nil
	}
}

var errResponseFormat = errors.New("the response has a format that the client does not support")

// readHead reads the status line and the headers of a response. The services
// always send Content-Length.
func readHead(r *bufio.Reader) (status, contentLength int, err error) {
	line, err := r.ReadSlice('\n')
	if err != nil || len(line) < len("HTTP/1.1 200") {
		return 0, 0, errors.Join(err, errResponseFormat)
	}
	if status, err = strconv.Atoi(string(line[9:12])); err != nil {
		return 0, 0, err
	}
	contentLength = -1
	for {
		if line, err = r.ReadSlice('\n'); err != nil {
			return 0, 0, err
		}
		if len(line) <= len("\r\n") {
			break
		}
		if value, ok := bytes.CutPrefix(line, []byte("Content-Length: ")); ok {
			contentLength, _ = strconv.Atoi(string(bytes.TrimSpace(value)))
		}
	}
	if contentLength < 0 {
		return 0, 0, errResponseFormat
	}
	return status, contentLength, nil
}

// getRequest returns a complete GET request.
func getRequest(path string) []byte {
	return fmt.Appendf(nil, "GET %s HTTP/1.1\r\nHost: bench\r\n\r\n", path)
}

// postRequest returns a complete POST request with a JSON body.
func postRequest(path, body string) []byte {
	return fmt.Appendf(nil, "POST %s HTTP/1.1\r\nHost: bench\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%s",
		path, len(body), body)
}
