package web_test

import (
	"bufio"
	"io"
	"net"
	"net/http"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func TestDrain(t *testing.T) {
	t.Run("adds Connection: close to every response", func(t *testing.T) {
		s := newService(t, 1)
		s.Handle("GET", "/panic", func(http.ResponseWriter, *http.Request) error { panic("boom") })
		targets := []string{"/things", "/health", "/nothing", "//things", "/panic"}
		for _, target := range targets {
			require.Empty(t, s.request("GET", target).Header().Get("Connection"), target)
		}
		s.Drain()
		for _, target := range targets {
			require.Equal(t, "close", s.request("GET", target).Header().Get("Connection"), target)
		}
		require.Equal(t, "close", s.request("PURGE", "/things").Header().Get("Connection"))
	})

	t.Run("closes an idle connection only after its next response", func(t *testing.T) {
		s := newService(t)
		server := s.start(t)
		conn, err := net.Dial("tcp", server.Listener.Addr().String())
		require.NoError(t, err)
		defer conn.Close()
		require.NoError(t, conn.SetDeadline(time.Now().Add(timeout)))
		reader := bufio.NewReader(conn)
		ask := func() *http.Response {
			_, err := io.WriteString(conn, "GET /things HTTP/1.1\r\nHost: x\r\n\r\n")
			require.NoError(t, err)
			response, err := http.ReadResponse(reader, nil)
			require.NoError(t, err)
			_, err = io.Copy(io.Discard, response.Body)
			require.NoError(t, err)
			require.NoError(t, response.Body.Close())
			return response
		}
		require.False(t, ask().Close)
		s.Drain()
		require.True(t, ask().Close, "the idle connection stays open, so that this request is served")
		_, err = reader.ReadByte()
		require.ErrorIs(t, err, io.EOF)
	})
}
