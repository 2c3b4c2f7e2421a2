package httpclient

import (
	"bytes"
	"context"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// testBalancer returns a balancer with endpoints of the given addresses. It makes no lookups.
func testBalancer(ips ...string) *balancer {
	resolver := resolverFor(ips...)
	b := newBalancer(Config{BaseURL: mustURL("http://peer"), Resolver: resolver, Logger: slog.New(slog.DiscardHandler)}, 80)
	b.applyLookup(resolver.ips, nil)
	return b
}

func noSuchHost() error { return &net.DNSError{Err: "no such host", Name: "peer", IsNotFound: true} }
func serverFailure() error {
	return &net.DNSError{Err: "server misbehaving", Name: "peer", IsTemporary: true}
}

const shortInterval = 10 * time.Millisecond

func TestLookup(t *testing.T) {
	t.Run("adds and removes endpoints", func(t *testing.T) {
		both := startBackends(t, func(string) http.HandlerFunc { return ok }, left, right)
		resolver := resolverFor(left)
		c := newClient(t, "http://peer:"+both[0].port(), withResolver(resolver, shortInterval))
		get(t, c)
		assert.Zero(t, both[1].hits.Load())

		resolver.set(nil, left, right)
		require.Eventually(t, func() bool { get(t, c); return both[1].hits.Load() > 0 }, testTimeout, time.Millisecond,
			"an added endpoint gets calls")

		resolver.set(nil, right)
		require.Eventually(t, func() bool { healthy, _ := c.balancer.count(); return healthy == 1 }, testTimeout, time.Millisecond)
		before := both[0].hits.Load()
		for range 20 {
			get(t, c)
		}
		assert.Equal(t, before, both[0].hits.Load(), "a removed endpoint gets none")
	})

	t.Run("follows a connection error", func(t *testing.T) {
		both := startBackends(t, func(string) http.HandlerFunc { return ok }, left, right)
		resolver := resolverFor(left)
		c := newClient(t, "http://peer:"+both[0].port(), withResolver(resolver, time.Hour))
		get(t, c)
		resolver.set(nil, right)
		both[0].Close()
		require.Eventually(t, func() bool {
			res, err := c.Get(t.Context(), "/x", "/x")
			return err == nil && res.Status == http.StatusOK
		}, testTimeout, 10*time.Millisecond)
	})

	t.Run("fails fast if the host does not exist, and recovers", func(t *testing.T) {
		b, _ := singleBackend(t, ok)
		resolver := resolverFor("127.0.0.1")
		c := newClient(t, "http://peer:"+b.port(), withResolver(resolver, shortInterval))
		get(t, c)

		resolver.set(noSuchHost())
		fails := func() bool { _, err := c.Get(t.Context(), "/x", "/x"); return err != nil }
		require.Eventually(t, fails, testTimeout, time.Millisecond)
		start := time.Now()
		for range 2 * breakerMinCalls {
			_, err := c.Get(t.Context(), "/x", "/x")
			require.ErrorIs(t, err, ErrNoAddress)
		}
		assert.Less(t, time.Since(start), testTimeout/4)
		assert.True(t, c.breaker.IsClosed(), "no request was sent, so none failed")

		resolver.set(nil, "127.0.0.1")
		require.Eventually(t, func() bool { return !fails() }, testTimeout, time.Millisecond)
	})

	t.Run("is limited in frequency", func(t *testing.T) {
		resolver := resolverFor()
		resolver.set(noSuchHost())
		start := time.Now()
		c := newClient(t, "http://peer", withResolver(resolver, time.Hour))
		for range 1000 {
			_, err := c.Get(t.Context(), "/x", "/x")
			require.ErrorIs(t, err, ErrNoAddress)
		}
		assert.LessOrEqual(t, resolver.lookups(), 2+int(time.Since(start)/minLookupInterval))
	})

	t.Run("recovers before the interval has passed", func(t *testing.T) {
		b, _ := singleBackend(t, ok)
		resolver := resolverFor()
		resolver.set(noSuchHost())
		c := newClient(t, "http://peer:"+b.port(), withResolver(resolver, time.Hour))
		_, err := c.Get(t.Context(), "/x", "/x")
		require.ErrorIs(t, err, ErrNoAddress)
		resolver.set(nil, "127.0.0.1")
		require.Eventually(t, func() bool { _, err := c.Get(t.Context(), "/x", "/x"); return err == nil }, testTimeout, time.Millisecond)
	})

	t.Run("keeps the last endpoints if the resolver fails", func(t *testing.T) {
		b, _ := singleBackend(t, ok)
		resolver := resolverFor("127.0.0.1")
		c := newClient(t, "http://peer:"+b.port(), withResolver(resolver, shortInterval))
		get(t, c)
		resolver.set(serverFailure())
		before := resolver.lookups()
		require.Eventually(t, func() bool { return resolver.lookups() > before+3 }, testTimeout, time.Millisecond)
		assert.Equal(t, http.StatusOK, get(t, c).Status)
	})

	t.Run("returns the error of a resolver that has never worked", func(t *testing.T) {
		resolver := resolverFor()
		resolver.set(serverFailure())
		c := newClient(t, "http://peer", withResolver(resolver, time.Hour))
		_, err := c.Get(t.Context(), "/x", "/x")
		require.ErrorIs(t, err, ErrNoAddress)
		assert.ErrorContains(t, err, "server misbehaving")
	})

	t.Run("delays a call until the first result or the deadline", func(t *testing.T) {
		c := newClient(t, "http://peer", func(c *Config) { c.Resolver, c.Timeout = hangingResolver{}, 50*time.Millisecond })
		_, err := c.Get(t.Context(), "/x", "/x")
		require.ErrorIs(t, err, context.DeadlineExceeded)
	})

	t.Run("keeps the state of an endpoint", func(t *testing.T) {
		b := testBalancer("10.0.0.1", "10.0.0.2")
		first := b.endpoints.Load().endpoints[0]
		b.applyLookup([]netip.Addr{netip.MustParseAddr("10.0.0.3"), netip.MustParseAddr("::ffff:10.0.0.1"), netip.MustParseAddr("10.0.0.1")}, nil)
		require.Len(t, b.endpoints.Load().endpoints, 2)
		assert.Same(t, first, b.endpoints.Load().endpoints[0], "the endpoints are sorted")
		b.applyLookup([]netip.Addr{netip.MustParseAddr("10.0.0.3")}, nil)
		b.applyLookup([]netip.Addr{netip.MustParseAddr("10.0.0.1")}, nil)
		assert.NotSame(t, first, b.endpoints.Load().endpoints[0], "a new pod may have the address of an old one")
		b.applyLookup(nil, nil)
		assert.Empty(t, b.endpoints.Load().endpoints)
	})

	t.Run("ignores the order of the addresses", func(t *testing.T) {
		var logged bytes.Buffer
		resolver := resolverFor("127.0.0.2", "127.0.0.3")
		b := testBalancer("127.0.0.2", "127.0.0.3")
		b.log = slog.New(slog.NewTextHandler(&logged, nil))
		resolver.set(nil, "127.0.0.3", "127.0.0.2")
		b.applyLookup(resolver.ips, nil)
		assert.Empty(t, logged.String())
		resolver.set(nil, "127.0.0.3")
		b.applyLookup(resolver.ips, nil)
		assert.Contains(t, logged.String(), "endpoints changed")
	})
}

// hangingResolver does not return before its context ends.
type hangingResolver struct{}

func (hangingResolver) LookupNetIP(ctx context.Context, _, _ string) ([]netip.Addr, error) {
	<-ctx.Done()
	return nil, ctx.Err()
}
