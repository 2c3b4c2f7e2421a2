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

// testBalancer knows the given addresses and looks nothing up.
func testBalancer(ips ...string) *balancer {
	n := namesOf(ips...)
	b := newBalancer(Config{BaseURL: mustURL("http://peer"), Resolver: n, Logger: slog.New(slog.DiscardHandler)}, 80)
	b.replace(n.ips, nil)
	return b
}

func noSuchHost() error { return &net.DNSError{Err: "no such host", Name: "peer", IsNotFound: true} }
func serverFailure() error {
	return &net.DNSError{Err: "server misbehaving", Name: "peer", IsTemporary: true}
}

const often = 10 * time.Millisecond

func TestFollowsTheNames(t *testing.T) {
	both := serve(t, func(string) http.HandlerFunc { return ok }, left, right)
	n := namesOf(left)
	c := client(t, "http://peer:"+both[0].port(), resolvedBy(n, often))
	get(t, c)
	assert.Zero(t, both[1].hits.Load())

	n.set(nil, left, right)
	require.Eventually(t, func() bool { get(t, c); return both[1].hits.Load() > 0 }, patience, time.Millisecond, "an added address")

	n.set(nil, right)
	require.Eventually(t, func() bool { healthy, _ := c.balancer.count(); return healthy == 1 }, patience, time.Millisecond)
	before := both[0].hits.Load()
	for range 20 {
		get(t, c)
	}
	assert.Equal(t, before, both[0].hits.Load(), "a removed address")
}

func TestBrokenConnectionCausesALookup(t *testing.T) {
	both := serve(t, func(string) http.HandlerFunc { return ok }, left, right)
	n := namesOf(left)
	c := client(t, "http://peer:"+both[0].port(), resolvedBy(n, time.Hour))
	get(t, c)
	n.set(nil, right)
	both[0].Close()
	require.Eventually(t, func() bool {
		res, err := c.Get(t.Context(), "/x", "/x")
		return err == nil && res.Status == http.StatusOK
	}, patience, 10*time.Millisecond)
}

func TestNoSuchHostFailsFastAndRecovers(t *testing.T) {
	b, _ := one(t, ok)
	n := namesOf("127.0.0.1")
	c := client(t, "http://peer:"+b.port(), resolvedBy(n, often))
	get(t, c)

	n.set(noSuchHost())
	fails := func() bool { _, err := c.Get(t.Context(), "/x", "/x"); return err != nil }
	require.Eventually(t, fails, patience, time.Millisecond)
	start := time.Now()
	for range 2 * breakerCalls {
		_, err := c.Get(t.Context(), "/x", "/x")
		require.ErrorIs(t, err, ErrNoAddress)
	}
	assert.Less(t, time.Since(start), patience/4)
	assert.True(t, c.breaker.IsClosed(), "nobody was asked, so nobody failed")

	n.set(nil, "127.0.0.1")
	require.Eventually(t, func() bool { return !fails() }, patience, time.Millisecond)
}

func TestLookupsAreNotAsManyAsCalls(t *testing.T) {
	n := namesOf()
	n.set(noSuchHost())
	start := time.Now()
	c := client(t, "http://peer", resolvedBy(n, time.Hour))
	for range 1000 {
		_, err := c.Get(t.Context(), "/x", "/x")
		require.ErrorIs(t, err, ErrNoAddress)
	}
	assert.LessOrEqual(t, n.lookups(), 2+int(time.Since(start)/resolveGap))
}

func TestNoSuchHostRecoversWithoutWaitingForTheInterval(t *testing.T) {
	b, _ := one(t, ok)
	n := namesOf()
	n.set(noSuchHost())
	c := client(t, "http://peer:"+b.port(), resolvedBy(n, time.Hour))
	_, err := c.Get(t.Context(), "/x", "/x")
	require.ErrorIs(t, err, ErrNoAddress)
	n.set(nil, "127.0.0.1")
	require.Eventually(t, func() bool { _, err := c.Get(t.Context(), "/x", "/x"); return err == nil }, patience, time.Millisecond)
}

func TestResolverFailureKeepsTheLastSet(t *testing.T) {
	b, _ := one(t, ok)
	n := namesOf("127.0.0.1")
	c := client(t, "http://peer:"+b.port(), resolvedBy(n, often))
	get(t, c)
	n.set(serverFailure())
	before := n.lookups()
	require.Eventually(t, func() bool { return n.lookups() > before+3 }, patience, time.Millisecond)
	assert.Equal(t, http.StatusOK, get(t, c).Status)
}

func TestResolverFailureFromTheStart(t *testing.T) {
	n := namesOf()
	n.set(serverFailure())
	c := client(t, "http://peer", resolvedBy(n, time.Hour))
	_, err := c.Get(t.Context(), "/x", "/x")
	require.ErrorIs(t, err, ErrNoAddress)
	assert.ErrorContains(t, err, "server misbehaving")
}

// stuck never answers a look-up.
type stuck struct{}

func (stuck) LookupNetIP(ctx context.Context, _, _ string) ([]netip.Addr, error) {
	<-ctx.Done()
	return nil, ctx.Err()
}

func TestFirstLookupIsWaitedForWithinTheDeadline(t *testing.T) {
	c := client(t, "http://peer", func(c *Config) { c.Resolver, c.Timeout = stuck{}, 50*time.Millisecond })
	_, err := c.Get(t.Context(), "/x", "/x")
	require.ErrorIs(t, err, context.DeadlineExceeded)
}

func TestReplaceKeepsWhatIsKnownOfAnAddress(t *testing.T) {
	b := testBalancer("10.0.0.1", "10.0.0.2")
	first := b.set.Load().addresses[0]
	b.replace([]netip.Addr{netip.MustParseAddr("10.0.0.3"), netip.MustParseAddr("::ffff:10.0.0.1"), netip.MustParseAddr("10.0.0.1")}, nil)
	require.Len(t, b.set.Load().addresses, 2)
	assert.Same(t, first, b.set.Load().addresses[0], "sorted")
	b.replace([]netip.Addr{netip.MustParseAddr("10.0.0.3")}, nil)
	b.replace([]netip.Addr{netip.MustParseAddr("10.0.0.1")}, nil)
	assert.NotSame(t, first, b.set.Load().addresses[0], "a new pod may have an old address")
	b.replace(nil, nil)
	assert.Empty(t, b.set.Load().addresses)
}

func TestARotatedAnswerIsNoChange(t *testing.T) {
	var logged bytes.Buffer
	n := namesOf("127.0.0.2", "127.0.0.3")
	b := testBalancer("127.0.0.2", "127.0.0.3")
	b.log = slog.New(slog.NewTextHandler(&logged, nil))
	n.set(nil, "127.0.0.3", "127.0.0.2")
	b.replace(n.ips, nil)
	assert.Empty(t, logged.String())
	n.set(nil, "127.0.0.3")
	b.replace(n.ips, nil)
	assert.Contains(t, logged.String(), "addresses changed")
}
