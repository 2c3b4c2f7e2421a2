package connections_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"runtime/debug"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"tandem/src/chassis/connections"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// timeout is the longest time that a test waits for an event.
const timeout = 20 * time.Second

// server is a server with limits. GET /work waits for release, POST reads a body and
// GET /large responds with more than the kernel buffers.
type server struct {
	*http.Server
	address string
	entered chan struct{}
	release chan struct{}
	working atomic.Pointer[connections.Conn] // of the last GET /work or /large
}

const largeSize = 8 << 20

func serve(t *testing.T, limits connections.Limits) *server {
	t.Helper()
	inner, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	s := &server{new(http.Server), inner.Addr().String(), make(chan struct{}, 10), make(chan struct{}), atomic.Pointer[connections.Conn]{}}
	s.Handler = http.HandlerFunc(s.respond)
	connections.Attach(s.Server)
	served := make(chan error)
	go func() { served <- s.Serve(connections.Limit(inner, limits)) }()
	t.Cleanup(func() {
		require.NoError(t, s.Close())
		require.ErrorIs(t, <-served, http.ErrServerClosed)
	})
	return s
}

func (s *server) respond(w http.ResponseWriter, r *http.Request) {
	switch {
	case r.Method == http.MethodPost:
		conn := connections.Of(r.Context())
		if !conn.BeginBody() {
			_ = conn.SetReadDeadline(time.Now()) // net/http does not wait for the body
			w.Header().Set("Connection", "close")
			w.WriteHeader(http.StatusServiceUnavailable)
			return
		}
		s.entered <- struct{}{}
		_, err := io.Copy(io.Discard, r.Body)
		if conn.EndBody() || err != nil {
			w.Header().Set("Connection", "close")
			w.WriteHeader(http.StatusRequestTimeout)
		}
	case r.URL.Path == "/work":
		s.working.Store(connections.Of(r.Context()))
		s.entered <- struct{}{}
		<-s.release
	case r.URL.Path == "/pipelined":
		_, _ = fmt.Fprint(w, connections.Of(r.Context()).Pipelined())
	case r.URL.Path == "/large":
		s.working.Store(connections.Of(r.Context()))
		s.entered <- struct{}{}
		_, _ = w.Write(make([]byte, largeSize))
	}
}

func (s *server) send(t *testing.T, text string) net.Conn {
	t.Helper()
	conn, err := net.Dial("tcp", s.address)
	require.NoError(t, err)
	t.Cleanup(func() { _ = conn.Close() })
	require.NoError(t, conn.SetDeadline(time.Now().Add(timeout)))
	_, err = io.WriteString(conn, text)
	require.NoError(t, err)
	return conn
}

func requireStatus(t *testing.T, conn net.Conn, status int) {
	t.Helper()
	response, err := http.ReadResponse(bufio.NewReader(conn), nil)
	require.NoError(t, err)
	require.NoError(t, response.Body.Close())
	require.Equal(t, status, response.StatusCode)
}

// texts reads the bodies of n responses.
func (s *server) texts(t *testing.T, conn net.Conn, n int) (texts []string) {
	t.Helper()
	reader := bufio.NewReader(conn)
	for range n {
		response, err := http.ReadResponse(reader, nil)
		require.NoError(t, err)
		text, err := io.ReadAll(response.Body)
		require.NoError(t, err)
		texts = append(texts, string(text))
	}
	return texts
}

// requireClosed requires that the server has closed or closes the connection.
func requireClosed(t *testing.T, conn net.Conn) {
	t.Helper()
	_, err := io.Copy(io.Discard, conn)
	require.NotErrorIs(t, err, os.ErrDeadlineExceeded, "the connection stays open")
}

// requireOpen requires that the connection serves a request.
func requireOpen(t *testing.T, conn net.Conn) {
	t.Helper()
	_, err := io.WriteString(conn, get("/"))
	require.NoError(t, err)
	requireStatus(t, conn, http.StatusOK)
}

func get(path string) string { return "GET " + path + " HTTP/1.1\r\nHost: x\r\n\r\n" }

const halfBody = "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\n\r\n12345"

func TestMax(t *testing.T) {
	t.Run("closes the connection that waits for the longest time", func(t *testing.T) {
		for name, text := range map[string]string{"silent": "", "half a header": "GET / HTTP/1.1\r\nHo", "idle": get("/")} {
			t.Run(name, func(t *testing.T) {
				s := serve(t, connections.Limits{Max: 2, BodyGrace: timeout})
				oldest := s.send(t, text)
				if name == "idle" {
					requireStatus(t, oldest, http.StatusOK)
				}
				second, third := s.send(t, get("/")), s.send(t, get("/"))
				requireClosed(t, oldest)
				requireStatus(t, second, http.StatusOK)
				requireStatus(t, third, http.StatusOK)
				requireOpen(t, second)
			})
		}
	})

	t.Run("closes a connection whose body or response makes no progress", func(t *testing.T) {
		for name, text := range map[string]string{"body": halfBody, "response": get("/large")} {
			t.Run(name, func(t *testing.T) {
				s := serve(t, connections.Limits{Max: 1, BodyGrace: timeout})
				slow := s.send(t, text)
				<-s.entered
				fresh := s.send(t, get("/"))
				requireStatus(t, fresh, http.StatusOK)
				require.Eventually(t, func() bool { // It makes no progress for a second first.
					requireStatus(t, s.send(t, get("/")), http.StatusOK)
					require.NoError(t, slow.SetReadDeadline(time.Now().Add(time.Millisecond)))
					if name == "response" {
						_, err := io.WriteString(slow, "x")
						return err != nil
					}
					_, err := slow.Read(make([]byte, 1))
					return err != nil && !errors.Is(err, os.ErrDeadlineExceeded)
				}, timeout, 20*time.Millisecond)
			})
		}
	})

	t.Run("never closes a connection that the service works on", func(t *testing.T) {
		for name, text := range map[string]string{"alone": get("/work"), "pipelined": get("/work") + get("/work")} {
			t.Run(name, func(t *testing.T) {
				s := serve(t, connections.Limits{Max: 2, BodyGrace: timeout})
				working := []net.Conn{s.send(t, text), s.send(t, text)}
				for range strings.Count(text, "GET") {
					<-s.entered
					<-s.entered
					for range 5 {
						requireStatus(t, s.send(t, get("/")), http.StatusOK)
					}
					s.release <- struct{}{}
					s.release <- struct{}{}
				}
				for _, conn := range working {
					s.texts(t, conn, strings.Count(text, "GET"))
				}
			})
		}
	})
}

func TestBodies(t *testing.T) {
	const whole = "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\n\r\n1"

	t.Run("the slowest is cut at the bound of their number", func(t *testing.T) {
		s := serve(t, connections.Limits{Max: 100, BodyGrace: timeout, Bodies: connections.Bound{Number: 2}})
		first := s.send(t, halfBody)
		<-s.entered
		second := s.send(t, halfBody)
		<-s.entered
		requireStatus(t, s.send(t, whole), http.StatusOK)
		requireStatus(t, first, http.StatusRequestTimeout)
		_, err := io.WriteString(second, "67890")
		require.NoError(t, err)
		requireStatus(t, second, http.StatusOK)
	})

	t.Run("one that makes progress is not cut, and others wait for it", func(t *testing.T) {
		s := serve(t, connections.Limits{Max: 100, BodyGrace: timeout, Bodies: connections.Bound{Number: 1}})
		body := s.send(t, "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 15000\r\n\r\n")
		<-s.entered
		waits := s.send(t, whole)
		for range 15 { // 1.5 s, longer than a body may make no progress
			_, err := io.WriteString(body, strings.Repeat("x", 1000))
			require.NoError(t, err)
			time.Sleep(100 * time.Millisecond)
		}
		requireStatus(t, body, http.StatusOK)
		requireStatus(t, waits, http.StatusOK)
	})
}

func TestResponses(t *testing.T) {
	t.Run("the slowest are cut beyond the bound of their number", func(t *testing.T) {
		s := serve(t, connections.Limits{Max: 100, BodyGrace: timeout, Responses: connections.Bound{Number: 2}})
		var unread []net.Conn
		for range 4 {
			unread = append(unread, s.send(t, get("/large")))
			<-s.entered
			require.Eventually(t, func() bool { return s.working.Load().Stalled() > 50*time.Millisecond }, timeout, time.Millisecond)
		}
		for _, conn := range unread[:2] {
			require.Eventually(t, func() bool {
				_, err := io.WriteString(conn, "x")
				return err != nil
			}, 10*time.Second, 10*time.Millisecond) // less than a write may block
		}
		for _, conn := range unread[2:] {
			require.Len(t, s.texts(t, conn, 1)[0], largeSize)
		}
	})
}

func TestPipelined(t *testing.T) {
	t.Run("is what is sent together with the request before", func(t *testing.T) {
		s := serve(t, connections.Limits{Max: 100, BodyGrace: timeout})
		require.Equal(t, []string{"false", "true", "true"}, s.texts(t, s.send(t, strings.Repeat(get("/pipelined"), 3)), 3))
	})

	t.Run("is what is sent while the service works on the request before", func(t *testing.T) {
		s := serve(t, connections.Limits{Max: 100, BodyGrace: timeout})
		conn := s.send(t, get("/work"))
		<-s.entered
		_, err := io.WriteString(conn, get("/pipelined"))
		require.NoError(t, err)
		require.Eventually(t, s.working.Load().Early, timeout, time.Millisecond)
		close(s.release)
		require.Equal(t, []string{"", "true"}, s.texts(t, conn, 2))
	})

	t.Run("is not what is sent after the response before", func(t *testing.T) {
		s := serve(t, connections.Limits{Max: 100, BodyGrace: timeout})
		conn := s.send(t, get("/pipelined"))
		for range 100 {
			require.Equal(t, []string{"false"}, s.texts(t, conn, 1))
			_, err := io.WriteString(conn, get("/pipelined"))
			require.NoError(t, err)
		}
	})
}

func TestStop(t *testing.T) {
	limits := connections.Limits{Max: 100, BodyGrace: time.Hour, StopPatience: 300 * time.Millisecond}

	t.Run("waits only shortly for clients that make no progress", func(t *testing.T) {
		s := serve(t, limits)
		silent, half, body, large := s.send(t, ""), s.send(t, "GET / HT"), s.send(t, halfBody), s.send(t, get("/large"))
		<-s.entered
		<-s.entered
		ctx, cancel := context.WithTimeout(t.Context(), timeout)
		defer cancel()
		began := time.Now()
		require.NoError(t, s.Shutdown(ctx))
		require.Less(t, time.Since(began), 3*time.Second)
		requireStatus(t, body, http.StatusRequestTimeout)
		for _, conn := range []net.Conn{silent, half, large} {
			requireClosed(t, conn)
		}
	})

	t.Run("does not wait for bodies that wait for others", func(t *testing.T) {
		few := limits
		few.Bodies.Number = 1
		s := serve(t, few)
		half := s.send(t, halfBody)
		<-s.entered
		waiting := s.send(t, halfBody)
		require.NoError(t, waiting.SetReadDeadline(time.Now().Add(100*time.Millisecond))) // it arrives
		_, err := waiting.Read(make([]byte, 1))
		require.ErrorIs(t, err, os.ErrDeadlineExceeded)
		require.NoError(t, waiting.SetReadDeadline(time.Now().Add(timeout)))
		ctx, cancel := context.WithTimeout(t.Context(), timeout)
		defer cancel()
		require.NoError(t, s.Shutdown(ctx))
		requireStatus(t, half, http.StatusRequestTimeout)
		requireStatus(t, waiting, http.StatusServiceUnavailable)
	})

	t.Run("waits for the service and for clients that make progress", func(t *testing.T) {
		s := serve(t, limits)
		working := s.send(t, get("/work"))
		const length = 12000
		body := s.send(t, "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 12000\r\n\r\n")
		<-s.entered
		<-s.entered
		stopped := make(chan error)
		go func() { stopped <- s.Shutdown(t.Context()) }()
		for range 10 {
			_, err := io.WriteString(body, strings.Repeat("x", length/10))
			require.NoError(t, err)
			time.Sleep(100 * time.Millisecond)
		}
		requireStatus(t, body, http.StatusOK)
		select {
		case <-stopped:
			t.Fatal("stopped during a request")
		default:
		}
		close(s.release)
		requireStatus(t, working, http.StatusOK)
		require.NoError(t, <-stopped)
	})
}

func TestCapacity(t *testing.T) {
	t.Run("follows the memory limit", func(t *testing.T) {
		before := debug.SetMemoryLimit(64 << 20)
		defer debug.SetMemoryLimit(before)
		require.Equal(t, 64<<20/8/(20<<10), connections.Capacity())
		debug.SetMemoryLimit(1 << 20)
		require.Equal(t, 64, connections.Capacity())
	})

	t.Run("leaves half of it to bodies and half of it to responses", func(t *testing.T) {
		before := debug.SetMemoryLimit(128 << 20)
		defer debug.SetMemoryLimit(before)
		half := connections.Bound{Number: 50, Bytes: 128 << 20 / 16}
		require.Equal(t, connections.Limits{Max: 100, Bodies: half, Responses: half}, connections.NewLimits(100))
		require.Equal(t, connections.Capacity(), connections.NewLimits(0).Max)
		debug.SetMemoryLimit(1 << 20)
		require.EqualValues(t, 4<<20, connections.NewLimits(1).Bodies.Bytes)
	})
}
