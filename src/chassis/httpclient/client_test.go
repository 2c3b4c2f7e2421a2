package httpclient

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestGet(t *testing.T) {
	b, c := one(t, func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("X-Seen", r.Method+" "+r.RequestURI+" "+r.Host)
		w.WriteHeader(http.StatusTeapot)
		fmt.Fprint(w, "short and stout")
	})
	res, err := c.Get(t.Context(), "/users/{id}", "/users/a%2Fb?full=1&q=%C3%A4")
	require.NoError(t, err)
	assert.Equal(t, http.StatusTeapot, res.Status)
	assert.Equal(t, "short and stout", string(res.Body))
	assert.Equal(t, "GET /users/a%2Fb?full=1&q=%C3%A4 "+b.Listener.Addr().String(), res.Header.Get("X-Seen"))
}

func TestGetWithPrefix(t *testing.T) {
	b, _ := one(t, func(w http.ResponseWriter, r *http.Request) { fmt.Fprint(w, r.RequestURI) })
	for _, base := range []string{"/api/v1", "/api/v1/"} {
		res, err := client(t, b.URL+base).Get(t.Context(), "/x", "/x?y=1")
		require.NoError(t, err)
		assert.Equal(t, "/api/v1/x?y=1", string(res.Body))
	}
}

func TestGetRefusesPathsThatLeadElsewhere(t *testing.T) {
	b, c := one(t, ok)
	for _, path := range []string{"", "x", "http://elsewhere/x", "/x\r\nHost: elsewhere", "/%zz"} {
		_, err := c.Get(t.Context(), "/x", path)
		assert.ErrorContains(t, err, "httpclient: ", path)
	}
	assert.Zero(t, b.hits.Load())
	_, err := c.Get(t.Context(), "/x", "//elsewhere/x") // a path, not a host
	assert.NoError(t, err)
}

func TestGetDoesNotFollowRedirects(t *testing.T) {
	b, c := one(t, func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, "/y", http.StatusFound) })
	assert.Equal(t, http.StatusFound, get(t, c).Status)
	assert.EqualValues(t, 1, b.hits.Load())
}

func TestConnectionIsReused(t *testing.T) {
	for name, body := range map[string]int{"empty": 0, "short": 10, "chunked": 1 << 20} {
		t.Run(name, func(t *testing.T) {
			connections, c := counted(t, func(w http.ResponseWriter, _ *http.Request) {
				fmt.Fprint(w, strings.Repeat("x", body))
			})
			for range 20 {
				require.Len(t, get(t, c).Body, body)
			}
			// The transport gives up a connection whose write it has not seen end in 50 ms,
			// which a busy machine may cause.
			assert.LessOrEqual(t, connections.Load(), int64(3))
		})
	}
}

// counted starts a server and returns a client of it, and how many connections were made.
func counted(t *testing.T, h http.HandlerFunc, adjust ...func(*Config)) (*atomic.Int64, *Client) {
	t.Helper()
	var connections atomic.Int64
	s := httptest.NewUnstartedServer(h)
	s.Config.ConnState = func(_ net.Conn, state http.ConnState) {
		if state == http.StateNew {
			connections.Add(1)
		}
	}
	s.Start()
	t.Cleanup(s.Close)
	return &connections, client(t, s.URL, adjust...)
}

func TestCloseClosesIdleConnections(t *testing.T) {
	closed := make(chan struct{}, 1)
	s := httptest.NewUnstartedServer(http.HandlerFunc(ok))
	s.Config.ConnState = func(_ net.Conn, state http.ConnState) {
		if state == http.StateClosed {
			closed <- struct{}{}
		}
	}
	s.Start()
	t.Cleanup(s.Close)
	c := client(t, s.URL)
	get(t, c)
	c.Close()
	select {
	case <-closed:
	case <-time.After(patience):
		t.Fatal("the connection is still open")
	}
}

func TestBodyTooLarge(t *testing.T) {
	declared := func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Length", fmt.Sprint(MaxBody+1))
	}
	endless := func(w http.ResponseWriter, _ *http.Request) {
		for chunk := make([]byte, 1<<20); ; {
			if _, err := w.Write(chunk); err != nil {
				return
			}
		}
	}
	for name, h := range map[string]http.HandlerFunc{"declared": declared, "endless": endless} {
		t.Run(name, func(t *testing.T) {
			b, c := one(t, h)
			_, err := c.Get(t.Context(), "/x", "/x")
			require.ErrorIs(t, err, ErrBodyTooLarge)
			assert.EqualValues(t, 1, b.hits.Load(), "another try would be no shorter")
		})
	}
}

func TestLargestBody(t *testing.T) {
	_, c := one(t, func(w http.ResponseWriter, _ *http.Request) { w.Write(make([]byte, MaxBody)) })
	assert.Len(t, get(t, c).Body, MaxBody)
}

func TestTrailingDotIsForTheResolverOnly(t *testing.T) {
	b, _ := one(t, func(w http.ResponseWriter, r *http.Request) { fmt.Fprint(w, r.Host) })
	n := namesOf("127.0.0.1")
	c := client(t, "http://users.test.:"+b.port(), resolvedBy(n, time.Hour))
	assert.Equal(t, "users.test:"+b.port(), string(get(t, c).Body))
	assert.Equal(t, "users.test.", n.asked)
}

func TestTLSNamesTheHost(t *testing.T) {
	s := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		fmt.Fprint(w, r.TLS.ServerName)
	}))
	t.Cleanup(s.Close)
	roots := x509.NewCertPool()
	roots.AddCert(s.Certificate())
	port := fmt.Sprint(s.Listener.Addr().(*net.TCPAddr).Port)
	c := client(t, "https://example.com.:"+port, resolvedBy(namesOf("127.0.0.1"), time.Hour),
		func(c *Config) { c.TLS = &tls.Config{RootCAs: roots} })
	assert.Equal(t, "example.com", string(get(t, c).Body))
}

func TestDoneContextIsNotACall(t *testing.T) {
	b, c := one(t, ok)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, err := c.Get(ctx, "/x", "/x")
	require.ErrorIs(t, err, context.Canceled)
	assert.Zero(t, b.hits.Load())
}

func TestNewRefusesWhatCannotWork(t *testing.T) {
	for name, cfg := range map[string]Config{
		"no URL":      {Timeout: 1, TryTimeout: 1},
		"no host":     {BaseURL: mustURL("http:///x"), Timeout: 1, TryTimeout: 1},
		"scheme":      {BaseURL: mustURL("ftp://users"), Timeout: 1, TryTimeout: 1},
		"port":        {BaseURL: mustURL("http://users:99999"), Timeout: 1, TryTimeout: 1},
		"timeout":     {BaseURL: mustURL("http://users"), TryTimeout: 1},
		"try timeout": {BaseURL: mustURL("http://users"), Timeout: 1},
	} {
		_, err := New(cfg)
		assert.ErrorContains(t, err, "httpclient: ", name)
	}
}
