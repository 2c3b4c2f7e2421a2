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
	t.Run("sends the request and returns the response", func(t *testing.T) {
		b, c := singleBackend(t, func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("X-Seen", r.Method+" "+r.RequestURI+" "+r.Host)
			w.WriteHeader(http.StatusTeapot)
			fmt.Fprint(w, "short and stout")
		})
		res, err := c.Get(t.Context(), "/users/{id}", "/users/a%2Fb?full=1&q=%C3%A4")
		require.NoError(t, err)
		assert.Equal(t, http.StatusTeapot, res.Status)
		assert.Equal(t, "short and stout", string(res.Body))
		assert.Equal(t, "GET /users/a%2Fb?full=1&q=%C3%A4 "+b.Listener.Addr().String(), res.Header.Get("X-Seen"))
	})

	t.Run("adds the path prefix", func(t *testing.T) {
		b, _ := singleBackend(t, func(w http.ResponseWriter, r *http.Request) { fmt.Fprint(w, r.RequestURI) })
		for _, base := range []string{"/api/v1", "/api/v1/"} {
			res, err := newClient(t, b.URL+base).Get(t.Context(), "/x", "/x?y=1")
			require.NoError(t, err)
			assert.Equal(t, "/api/v1/x?y=1", string(res.Body))
		}
	})

	t.Run("refuses a base URL of which it would use only a part", func(t *testing.T) {
		for _, base := range []string{
			"http://me@users", "http://me:hush@users", "http://users?a=b", "http://users/?", "http://users#part", "http://users:0", "http://users:65536", "ftp://users",
		} {
			_, err := New(Config{BaseURL: mustURL(base), Timeout: time.Second, AttemptTimeout: time.Second})
			require.ErrorContains(t, err, "httpclient: base URL", base)
			require.NotContains(t, err.Error(), "hush")
		}
	})

	t.Run("refuses a path that leads to another host", func(t *testing.T) {
		b, c := singleBackend(t, ok)
		for _, path := range []string{"", "x", "http://elsewhere/x", "/x\r\nHost: elsewhere", "/%zz"} {
			_, err := c.Get(t.Context(), "/x", path)
			assert.ErrorContains(t, err, "httpclient: ", path)
		}
		assert.Zero(t, b.hits.Load())
		_, err := c.Get(t.Context(), "/x", "//elsewhere/x") // a path, not a host
		assert.NoError(t, err)
	})

	t.Run("does not follow redirects", func(t *testing.T) {
		b, c := singleBackend(t, func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, "/y", http.StatusFound) })
		assert.Equal(t, http.StatusFound, get(t, c).Status)
		assert.EqualValues(t, 1, b.hits.Load())
	})

	t.Run("refuses a body that is too large", func(t *testing.T) {
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
				b, c := singleBackend(t, h)
				_, err := c.Get(t.Context(), "/x", "/x")
				require.ErrorIs(t, err, ErrBodyTooLarge)
				assert.EqualValues(t, 1, b.hits.Load(), "no retry: the body would have the same length")
			})
		}
	})

	t.Run("accepts the largest body", func(t *testing.T) {
		_, c := singleBackend(t, func(w http.ResponseWriter, _ *http.Request) { w.Write(make([]byte, MaxBody)) })
		assert.Len(t, get(t, c).Body, MaxBody)
	})

	t.Run("takes no longer body than the call says", func(t *testing.T) {
		for _, flush := range []bool{false, true} { // with a Content-Length, and without
			b, c := singleBackend(t, func(w http.ResponseWriter, _ *http.Request) {
				fmt.Fprint(w, "four")
				if flush {
					w.(http.Flusher).Flush()
				}
			})
			_, err := c.GetUpTo(t.Context(), "/x", "/x", 3)
			require.ErrorIs(t, err, ErrBodyTooLarge)
			res, err := c.GetUpTo(t.Context(), "/x", "/x", 4)
			require.NoError(t, err)
			assert.Equal(t, "four", string(res.Body))
			assert.EqualValues(t, 2, b.hits.Load())
		}
	})

	t.Run("uses the trailing dot for lookups only", func(t *testing.T) {
		b, _ := singleBackend(t, func(w http.ResponseWriter, r *http.Request) { fmt.Fprint(w, r.Host) })
		resolver := resolverFor("127.0.0.1")
		c := newClient(t, "http://users.test.:"+b.port(), withResolver(resolver, time.Hour))
		assert.Equal(t, "users.test:"+b.port(), string(get(t, c).Body))
		assert.Equal(t, "users.test.", resolver.lastHost)
	})

	t.Run("sends the TLS server name", func(t *testing.T) {
		s := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			fmt.Fprint(w, r.TLS.ServerName)
		}))
		t.Cleanup(s.Close)
		roots := x509.NewCertPool()
		roots.AddCert(s.Certificate())
		port := fmt.Sprint(s.Listener.Addr().(*net.TCPAddr).Port)
		c := newClient(t, "https://example.com.:"+port, withResolver(resolverFor("127.0.0.1"), time.Hour),
			func(c *Config) { c.TLS = &tls.Config{RootCAs: roots} })
		assert.Equal(t, "example.com", string(get(t, c).Body))
	})

	t.Run("sends nothing if the context has ended", func(t *testing.T) {
		b, c := singleBackend(t, ok)
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		_, err := c.Get(ctx, "/x", "/x")
		require.ErrorIs(t, err, context.Canceled)
		assert.Zero(t, b.hits.Load())
	})
}

func TestConnections(t *testing.T) {
	t.Run("are reused", func(t *testing.T) {
		for name, body := range map[string]int{"empty": 0, "short": 10, "chunked": 1 << 20} {
			t.Run(name, func(t *testing.T) {
				connections, c := clientWithCountedConnections(t, func(w http.ResponseWriter, _ *http.Request) {
					fmt.Fprint(w, strings.Repeat("x", body))
				})
				for range 20 {
					require.Len(t, get(t, c).Body, body)
				}
				// The transport does not reuse a connection if its write has not ended within 50 ms,
				// which happens on a busy machine.
				assert.LessOrEqual(t, connections.Load(), int64(3))
			})
		}
	})

	t.Run("are closed by Close", func(t *testing.T) {
		closed := make(chan struct{}, 1)
		s := httptest.NewUnstartedServer(http.HandlerFunc(ok))
		s.Config.ConnState = func(_ net.Conn, state http.ConnState) {
			if state == http.StateClosed {
				closed <- struct{}{}
			}
		}
		s.Start()
		t.Cleanup(s.Close)
		c := newClient(t, s.URL)
		get(t, c)
		c.Close()
		select {
		case <-closed:
		case <-time.After(testTimeout):
			t.Fatal("the connection is still open")
		}
	})
}

// clientWithCountedConnections starts a server. It returns the number of its connections and a client.
func clientWithCountedConnections(t *testing.T, h http.HandlerFunc, options ...func(*Config)) (*atomic.Int64, *Client) {
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
	return &connections, newClient(t, s.URL, options...)
}

func TestNew(t *testing.T) {
	t.Run("refuses a configuration that is not valid", func(t *testing.T) {
		for name, cfg := range map[string]Config{
			"no URL":          {Timeout: 1, AttemptTimeout: 1},
			"no host":         {BaseURL: mustURL("http:///x"), Timeout: 1, AttemptTimeout: 1},
			"scheme":          {BaseURL: mustURL("ftp://users"), Timeout: 1, AttemptTimeout: 1},
			"port":            {BaseURL: mustURL("http://users:99999"), Timeout: 1, AttemptTimeout: 1},
			"timeout":         {BaseURL: mustURL("http://users"), AttemptTimeout: 1},
			"attempt timeout": {BaseURL: mustURL("http://users"), Timeout: 1},
		} {
			_, err := New(cfg)
			assert.ErrorContains(t, err, "httpclient: ", name)
		}
	})
}
