package web_test

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"tandem/src/chassis/connections"
	"tandem/src/chassis/web"
)

// grace is the time that a body may take in these tests, and patience that of a
// client that makes no progress during a shutdown.
const grace, patience = 300 * time.Millisecond, 300 * time.Millisecond

// limited is a service whose connections are limited.
type limited struct {
	*service
	server  *http.Server
	address string
}

func (s *service) limit(t *testing.T, bodyGrace ...time.Duration) limited {
	t.Helper()
	return s.limitBy(t, connections.Limits{Max: 100, BodyGrace: append(bodyGrace, grace)[0], StopPatience: patience})
}

func (s *service) limitBy(t *testing.T, limits connections.Limits) limited {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	server := &http.Server{Handler: s}
	connections.Attach(server)
	go func() { _ = server.Serve(connections.Limit(listener, limits)) }()
	t.Cleanup(func() { require.NoError(t, server.Close()) })
	return limited{s, server, listener.Addr().String()}
}

// client is a connection that a test writes itself.
type client struct {
	*net.TCPConn
	reader *bufio.Reader
}

// send opens a connection and sends the text.
func (s limited) send(t *testing.T, text string) client {
	t.Helper()
	conn, err := net.Dial("tcp", s.address)
	require.NoError(t, err)
	t.Cleanup(func() { _ = conn.Close() })
	require.NoError(t, conn.SetDeadline(time.Now().Add(timeout)))
	_, err = io.WriteString(conn, text)
	require.NoError(t, err)
	return client{conn.(*net.TCPConn), bufio.NewReader(conn)}
}

// response reads the next response whole.
func (c client) response(t *testing.T) *http.Response {
	t.Helper()
	response, err := http.ReadResponse(c.reader, nil)
	require.NoError(t, err)
	text, err := io.ReadAll(response.Body)
	require.NoError(t, err)
	require.NoError(t, response.Body.Close())
	response.Body = io.NopCloser(bytes.NewReader(text))
	return response
}

// requireClosed requires that the service closes the connection soon.
func (c client) requireClosed(t *testing.T) {
	t.Helper()
	began := time.Now()
	_, err := c.reader.ReadByte()
	require.ErrorIs(t, err, io.EOF)
	require.Less(t, time.Since(began), 3*time.Second)
}

const postHeader = "POST /things HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"

func TestSlowBody(t *testing.T) {
	bodies := map[string]string{
		"nothing":          "Content-Length: 20\r\n\r\n",
		"half a body":      "Content-Length: 20\r\n\r\n{\"name\":",
		"half a chunk":     "Transfer-Encoding: chunked\r\n\r\n14\r\n{\"name\":",
		"expects continue": "Expect: 100-continue\r\nContent-Length: 20\r\n\r\n",
		"a large half":     "Content-Length: 500000\r\n\r\n" + strings.Repeat(" ", 9000),
	}
	for name, body := range bodies {
		t.Run(name+" holds no slot and is 408", func(t *testing.T) {
			s := newService(t, 1).limit(t)
			slow := s.send(t, postHeader+body)
			other := s.send(t, "GET /things HTTP/1.1\r\nHost: x\r\n\r\n")
			require.Equal(t, http.StatusOK, other.response(t).StatusCode)
			response := slow.response(t)
			for response.StatusCode == http.StatusContinue {
				response = slow.response(t)
			}
			requireProblemBody(t, response.Header, http.StatusRequestTimeout, response.Body)
			require.True(t, response.Close)
			slow.requireClosed(t)
			require.Equal(t, map[string]uint64{"GET /things 200": 1, "POST /things 408": 1}, s.counts(t))
			line := s.log.Lines(t, "request")[1]
			require.EqualValues(t, 408, line["http.response.status_code"])
			require.Equal(t, "INFO", line["level"])
		})
	}

	t.Run("that arrives at the least rate is read", func(t *testing.T) {
		s := newService(t, 1).limit(t)
		text := `{"name":"x"}` + strings.Repeat(" ", 8000)
		slow := s.send(t, postHeader+"Content-Length: 8012\r\n\r\n")
		began := time.Now()
		for len(text) > 0 {
			n := min(800, len(text))
			_, err := io.WriteString(slow, text[:n])
			require.NoError(t, err)
			text = text[n:]
			time.Sleep(100 * time.Millisecond)
		}
		require.Greater(t, time.Since(began), 2*grace)
		require.Equal(t, http.StatusCreated, slow.response(t).StatusCode)
	})

	t.Run("that ends early is 400", func(t *testing.T) {
		s := newService(t).limit(t, timeout)
		half := s.send(t, postHeader+bodies["half a body"])
		require.NoError(t, half.CloseWrite())
		response := half.response(t)
		requireProblemBody(t, response.Header, http.StatusBadRequest, response.Body)
		half.requireClosed(t)
	})

	t.Run("of a caller that has gone is 499", func(t *testing.T) {
		s := newService(t).limit(t)
		half := s.send(t, postHeader+bodies["half a body"])
		require.NoError(t, half.SetLinger(0))
		require.NoError(t, half.Close())
		require.Eventually(t, func() bool { return s.counts(t)["POST /things 499"] == 1 }, timeout, time.Millisecond)
	})
}

func TestUnreadBody(t *testing.T) {
	const smuggled = "GET /things/smuggled HTTP/1.1\r\nHost: x\r\n\r\n"
	for name, tt := range map[string]struct {
		request string
		status  int
	}{
		"of GET":           {"GET /things HTTP/1.1\r\nHost: x\r\nContent-Length: 1000\r\n\r\n", 200},
		"of GET, chunked":  {"GET /things HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n", 200},
		"of a probe":       {"GET /health HTTP/1.1\r\nHost: x\r\nContent-Length: 1000\r\n\r\n", 200},
		"of no route":      {"POST /nothing HTTP/1.1\r\nHost: x\r\nContent-Length: 1000\r\n\r\n", 404},
		"of a wrong verb":  {"DELETE /things HTTP/1.1\r\nHost: x\r\nContent-Length: 1000\r\n\r\n", 405},
		"that is too long": {postHeader + "Content-Length: 5000000\r\n\r\n", 413},
	} {
		t.Run(name+" is not waited for, nor taken for a request", func(t *testing.T) {
			s := newService(t, 1).limit(t)
			began := time.Now()
			c := s.send(t, tt.request)
			response := c.response(t)
			require.Less(t, time.Since(began), grace)
			require.Equal(t, tt.status, response.StatusCode)
			require.True(t, response.Close)
			_, _ = io.WriteString(c, smuggled)
			c.requireClosed(t)
			require.Len(t, s.log.Lines(t, "request"), 1)
		})
	}
}

func TestTransferEncoding(t *testing.T) {
	t.Run("closes the connection behind the response", func(t *testing.T) {
		for name, header := range map[string]string{"alone": "", "with Content-Length": "Content-Length: 5\r\n"} {
			t.Run(name, func(t *testing.T) {
				s := newService(t).limit(t)
				c := s.send(t, postHeader+header+"Transfer-Encoding: chunked\r\n\r\nc\r\n{\"name\":\"x\"}\r\n0\r\n\r\n"+
					"GET /things/smuggled HTTP/1.1\r\nHost: x\r\n\r\n")
				response := c.response(t)
				require.Equal(t, http.StatusCreated, response.StatusCode)
				require.True(t, response.Close)
				_, err := c.reader.ReadByte()
				require.Error(t, err)
				require.Len(t, s.log.Lines(t, "request"), 1)
			})
		}
	})
}

func TestHalfClosedConnection(t *testing.T) {
	handle := func(s *service, work time.Duration) {
		for _, method := range []string{"GET", "POST"} {
			s.Handle(method, "/work", func(w http.ResponseWriter, r *http.Request) error {
				select {
				case <-time.After(work):
					return web.JSON(w, http.StatusOK, "done")
				case <-r.Context().Done():
					return r.Context().Err()
				}
			})
		}
	}
	for name, text := range map[string]string{
		"after a header": "GET /work HTTP/1.1\r\nHost: x\r\n\r\n",
		"after a body":   "POST /work HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n\r\n{}",
	} {
		t.Run(name+" gets its response within a second", func(t *testing.T) {
			s := newService(t)
			handle(s, 300*time.Millisecond)
			c := s.limit(t).send(t, text)
			require.NoError(t, c.CloseWrite())
			require.Equal(t, http.StatusOK, c.response(t).StatusCode)
			c.requireClosed(t)
		})

		t.Run(name+" counts as gone a second later", func(t *testing.T) {
			s := newService(t)
			handle(s, timeout)
			c := s.limit(t).send(t, text)
			began := time.Now()
			require.NoError(t, c.Close())
			require.Eventually(t, func() bool { return len(s.log.Lines(t, "request")) == 1 }, timeout, time.Millisecond)
			require.EqualValues(t, web.StatusClientClosedRequest, s.logLine(t)["http.response.status_code"])
			require.Less(t, time.Since(began), 5*time.Second)
		})
	}
}

func TestUnreadResponse(t *testing.T) {
	t.Run("holds no slot", func(t *testing.T) {
		inner := newService(t, 1)
		large := []byte(`"` + strings.Repeat("x", 1<<20) + `"`)
		inner.Handle("GET", "/large", func(w http.ResponseWriter, _ *http.Request) error {
			return web.RawJSON(w, http.StatusOK, large)
		})
		s := inner.limit(t)
		const clients = 8
		for i := range clients { // one after the other, as there is one slot
			s.send(t, strings.Repeat("GET /large HTTP/1.1\r\nHost: x\r\n\r\n", 10))
			require.Eventually(t, func() bool { return s.counts(t)["GET /large 200"] == uint64(i+1) }, timeout, time.Millisecond)
		}
		for range 20 {
			c := s.send(t, "GET /things HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
			require.Equal(t, http.StatusOK, c.response(t).StatusCode)
		}
		require.Zero(t, s.inFlight(t))
	})

	t.Run("is cut when too many bytes wait, and others are served", func(t *testing.T) {
		inner := newService(t)
		large := []byte(`"` + strings.Repeat("x", 4<<20) + `"`)
		inner.Handle("GET", "/large", func(w http.ResponseWriter, _ *http.Request) error {
			return web.RawJSON(w, http.StatusOK, large)
		})
		s := inner.limitBy(t, connections.Limits{Max: 100, Responses: connections.Bound{Bytes: 10 << 20}})
		var slow []client
		for i := range 3 {
			slow = append(slow, s.send(t, "GET /large HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"))
			// One after the other, as a response counts once its sending begins.
			require.Eventually(t, func() bool { return len(s.log.Lines(t, "request")) == i+1 }, timeout, time.Millisecond)
		}
		c := s.send(t, "GET /things HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
		require.Equal(t, http.StatusOK, c.response(t).StatusCode, "it waits until the slowest is cut")
		var cut int
		for _, c := range slow {
			if n, _ := io.Copy(io.Discard, c); n < 4<<20 { // ends, since the service closes it
				cut++
			}
		}
		require.Equal(t, 1, cut)
	})
}

func TestLargeBodies(t *testing.T) {
	header := fmt.Sprintf("%sContent-Length: %d\r\n\r\n", postHeader, web.MaxBody)
	body := `{"name":"x"}` + strings.Repeat(" ", web.MaxBody-len(`{"name":"x"}`))
	oneBody := connections.Limits{Max: 100, BodyGrace: timeout, Bodies: connections.Bound{Bytes: web.MaxBody}}

	t.Run("wait at the bound of their bytes until the slowest is cut", func(t *testing.T) {
		s := newService(t).limitBy(t, oneBody)
		slow := s.send(t, header+body[:9000])
		small := s.send(t, postHeader+"Content-Length: 12\r\n\r\n"+body[:12])
		require.Equal(t, http.StatusCreated, small.response(t).StatusCode) // slow is there first
		other := s.send(t, header+body)
		require.Equal(t, http.StatusCreated, other.response(t).StatusCode)
		require.Equal(t, http.StatusRequestTimeout, slow.response(t).StatusCode)
		slow.requireClosed(t)
	})

	t.Run("do not make small ones wait", func(t *testing.T) {
		s := newService(t).limitBy(t, oneBody)
		slow := s.send(t, header+body[:9000])
		small := s.send(t, postHeader+"Content-Length: 12\r\n\r\n"+body[:12])
		require.Equal(t, http.StatusCreated, small.response(t).StatusCode)
		_, err := io.WriteString(slow, body[9000:])
		require.NoError(t, err)
		require.Equal(t, http.StatusCreated, slow.response(t).StatusCode)
	})
}

func TestPipelinedRequests(t *testing.T) {
	newWorker := func(t *testing.T, limits connections.Limits) (s limited, entered, release chan struct{}) {
		t.Helper()
		inner := newService(t, 2)
		entered, release = make(chan struct{}, 10), make(chan struct{})
		inner.Handle("GET", "/work", func(w http.ResponseWriter, r *http.Request) error {
			entered <- struct{}{}
			<-release
			return ok(w, r)
		})
		return inner.limitBy(t, limits), entered, release
	}
	const pipelined = "GET /things HTTP/1.1\r\nHost: x\r\n\r\nGET /work HTTP/1.1\r\nHost: x\r\n\r\n"
	const single = "GET /things HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"

	t.Run("leave slots to others, and are served in turn", func(t *testing.T) {
		s, entered, release := newWorker(t, connections.Limits{Max: 100})
		clients := []client{s.send(t, pipelined), s.send(t, pipelined), s.send(t, pipelined)}
		<-entered
		for _, c := range clients {
			require.Equal(t, http.StatusOK, c.response(t).StatusCode)
		}
		for range 10 {
			require.Equal(t, http.StatusOK, s.send(t, single).response(t).StatusCode)
		}
		require.Len(t, entered, 0)
		close(release)
		for _, c := range clients {
			require.Equal(t, http.StatusOK, c.response(t).StatusCode)
		}
	})

	t.Run("that wait for their turn are closed to make room for others", func(t *testing.T) {
		s, entered, release := newWorker(t, connections.Limits{Max: 2})
		working := s.send(t, pipelined)
		<-entered
		waiting := s.send(t, pipelined)
		require.Equal(t, http.StatusOK, waiting.response(t).StatusCode)
		require.Eventually(t, func() bool { return len(s.log.Lines(t, "request")) == 2 }, timeout, time.Millisecond)
		require.Eventually(t, func() bool {
			require.Equal(t, http.StatusOK, s.send(t, single).response(t).StatusCode)
			require.NoError(t, waiting.SetReadDeadline(time.Now().Add(time.Millisecond)))
			_, err := waiting.reader.ReadByte()
			require.Error(t, err)
			return !errors.Is(err, os.ErrDeadlineExceeded)
		}, timeout, 10*time.Millisecond)
		close(release)
		for range 2 {
			require.Equal(t, http.StatusOK, working.response(t).StatusCode)
		}
	})
}
