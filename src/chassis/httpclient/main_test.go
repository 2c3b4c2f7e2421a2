package httpclient

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"net/url"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/failsafe-go/failsafe-go/circuitbreaker"
	"github.com/prometheus/client_golang/prometheus"
	dto "github.com/prometheus/client_model/go"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// testTimeout is how long a test waits for a condition that must become true.
const testTimeout = 20 * time.Second

// fakeResolver is a Resolver with a result that a test can change.
type fakeResolver struct {
	mu       sync.Mutex
	ips      []netip.Addr
	err      error
	lastHost string
	count    int
}

func (r *fakeResolver) LookupNetIP(_ context.Context, _, host string) ([]netip.Addr, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.lastHost = host
	r.count++
	return r.ips, r.err
}

func (r *fakeResolver) set(err error, ips ...string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.err, r.ips = err, nil
	for _, ip := range ips {
		r.ips = append(r.ips, netip.MustParseAddr(ip))
	}
}

func (r *fakeResolver) lookups() int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.count
}

func resolverFor(ips ...string) *fakeResolver {
	resolver := &fakeResolver{}
	resolver.set(nil, ips...)
	return resolver
}

// backend is a server that counts its requests.
type backend struct {
	*httptest.Server
	ip   string
	hits atomic.Int64
}

func (b *backend) port() string {
	return b.Listener.Addr().(*net.TCPAddr).AddrPort().String()[len(b.ip)+1:]
}

// startBackends starts one backend on each IP address, all on the same port.
func startBackends(t *testing.T, h func(ip string) http.HandlerFunc, ips ...string) []*backend {
	t.Helper()
	var backends []*backend
	for i, listener := range listen(t, ips) {
		b := &backend{ip: ips[i]}
		handle := h(b.ip)
		b.Server = httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			b.hits.Add(1)
			handle(w, r)
		}))
		require.NoError(t, b.Listener.Close())
		b.Listener = listener
		b.Start()
		t.Cleanup(b.Close)
		backends = append(backends, b)
	}
	return backends
}

func listen(t *testing.T, ips []string) []net.Listener {
	t.Helper()
	for range 50 {
		first, err := net.Listen("tcp", net.JoinHostPort(ips[0], "0"))
		require.NoError(t, err)
		all := []net.Listener{first}
		for _, ip := range ips[1:] {
			l, err := net.Listen("tcp", fmt.Sprintf("%s:%d", ip, first.Addr().(*net.TCPAddr).Port))
			if err != nil {
				break
			}
			all = append(all, l)
		}
		if len(all) == len(ips) {
			return all
		}
		for _, l := range all {
			l.Close()
		}
	}
	t.Fatal("no port is free on all of ", ips)
	return nil
}

// singleBackend starts a backend and returns it with a client.
func singleBackend(t *testing.T, h http.HandlerFunc, options ...func(*Config)) (*backend, *Client) {
	t.Helper()
	b := startBackends(t, func(string) http.HandlerFunc { return h }, "127.0.0.1")[0]
	return b, newClient(t, b.URL, options...)
}

// newClient returns a client that is closed at the end of the test, before its backends.
func newClient(t testing.TB, base string, options ...func(*Config)) *Client {
	t.Helper()
	u, err := url.Parse(base)
	require.NoError(t, err)
	cfg := Config{BaseURL: u, Peer: "peer", Timeout: testTimeout, AttemptTimeout: testTimeout, LookupInterval: time.Hour}
	for _, option := range options {
		option(&cfg)
	}
	c, err := New(cfg)
	require.NoError(t, err)
	t.Cleanup(c.Close)
	return c
}

func withResolver(resolver *fakeResolver, interval time.Duration) func(*Config) {
	return func(c *Config) { c.Resolver, c.LookupInterval = resolver, interval }
}

func get(t *testing.T, c *Client) *Response {
	t.Helper()
	res, err := c.Get(t.Context(), "/x", "/x")
	require.NoError(t, err)
	return res
}

// neverOpenBreaker returns a breaker that stays closed.
func neverOpenBreaker() circuitbreaker.CircuitBreaker[any] {
	return circuitbreaker.NewBuilder[any]().WithFailureThreshold(1 << 20).Build()
}

func ok(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, "ok") }

func mustURL(s string) *url.URL {
	u, err := url.Parse(s)
	if err != nil {
		panic(err)
	}
	return u
}

func status(code int) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(code) }
}

// hang does not respond. It returns when the client cancels the request.
func hang(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() }

// sequence returns a handler that calls each of hs in turn, and from then on the last one.
func sequence(hs ...http.HandlerFunc) http.HandlerFunc {
	var n atomic.Int64
	return func(w http.ResponseWriter, r *http.Request) {
		hs[min(int(n.Add(1)), len(hs))-1](w, r)
	}
}

// drop closes the connection in the middle of the body.
func drop(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Content-Length", "100")
	w.WriteHeader(http.StatusOK)
	fmt.Fprint(w, "not a hundred bytes")
	w.(http.Flusher).Flush()
	panic(http.ErrAbortHandler)
}

// metric returns the first series of a metric that has the given labels, or nil.
func metric(t *testing.T, reg prometheus.Gatherer, name string, labels prometheus.Labels) *dto.Metric {
	t.Helper()
	families, err := reg.Gather()
	require.NoError(t, err)
	for _, f := range families {
		if f.GetName() != name {
			continue
		}
		for _, m := range f.GetMetric() {
			if hasLabels(m, labels) {
				return m
			}
		}
	}
	return nil
}

func hasLabels(m *dto.Metric, labels prometheus.Labels) bool {
	found := 0
	for _, l := range m.GetLabel() {
		if want, ok := labels[l.GetName()]; ok && want == l.GetValue() {
			found++
		}
	}
	return found == len(labels)
}
