package httpclient

import (
	"context"
	"encoding/binary"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"net"
	"net/http"
	"net/netip"
	"runtime"
	"slices"
	"strconv"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/net/dns/dnsmessage"
)

// manyIPs returns n addresses of the loopback interface.
func manyIPs(n int) (ips []string) {
	for i := range n {
		ips = append(ips, fmt.Sprintf("127.0.1.%d", i+1))
	}
	return ips
}

// many starts backends on n addresses, and a client of all of them.
func many(t *testing.T, n int, options ...func(*Config)) ([]*backend, *Client, *fakeResolver) {
	t.Helper()
	ips := manyIPs(n)
	backends := startBackends(t, func(string) http.HandlerFunc { return ok }, ips...)
	resolver := resolverFor(ips...)
	options = append([]func(*Config){withResolver(resolver, time.Hour), func(c *Config) {
		c.Timeout, c.AttemptTimeout = 900*time.Millisecond, 400*time.Millisecond // as in orders
	}}, options...)
	return backends, newClient(t, "http://peer:"+backends[0].port(), options...), resolver
}

// truncatingDNS answers over UDP with the first records and the bit that there are more,
// and over TCP with all of them, as a DNS server does with many addresses.
func truncatingDNS(t *testing.T, ips []string) *net.Resolver {
	t.Helper()
	udp, err := net.ListenPacket("udp", "127.0.0.1:0")
	require.NoError(t, err)
	tcp, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	var group sync.WaitGroup
	t.Cleanup(func() {
		udp.Close()
		tcp.Close()
		group.Wait()
	})
	answer := func(query []byte, truncated bool) []byte {
		var message dnsmessage.Message
		if message.Unpack(query) != nil || len(message.Questions) != 1 {
			return nil
		}
		answer := noData
		if message.Questions[0].Type == dnsmessage.TypeA {
			answer = records(ips...)
		}
		if truncated = truncated && len(answer.ips) > 73; truncated {
			answer.ips = answer.ips[:73]
		}
		reply := response(message, answer)
		reply.Truncated = truncated
		packed, _ := reply.Pack()
		return packed
	}
	group.Go(func() {
		for buffer := make([]byte, 1500); ; {
			n, from, err := udp.ReadFrom(buffer)
			if err != nil {
				return
			}
			_, _ = udp.WriteTo(answer(buffer[:n], true), from)
		}
	})
	group.Go(func() {
		for {
			conn, err := tcp.Accept()
			if err != nil {
				return
			}
			group.Go(func() {
				defer conn.Close()
				var size uint16
				if binary.Read(conn, binary.BigEndian, &size) != nil {
					return
				}
				query := make([]byte, size)
				if _, err := io.ReadFull(conn, query); err != nil {
					return
				}
				packed := answer(query, false)
				_, _ = conn.Write(append(binary.BigEndian.AppendUint16(nil, uint16(len(packed))), packed...))
			})
		}
	})
	return &net.Resolver{PreferGo: true, Dial: func(ctx context.Context, network, _ string) (net.Conn, error) {
		if network == "tcp" {
			return (&net.Dialer{}).DialContext(ctx, network, tcp.Addr().String())
		}
		return (&net.Dialer{}).DialContext(ctx, network, udp.LocalAddr().String())
	}}
}

func TestManyAddresses(t *testing.T) {
	t.Run("are all found over TCP", func(t *testing.T) {
		var ips []string
		for i := range 150 {
			ips = append(ips, fmt.Sprintf("10.244.%d.%d", i/50, i%50+1))
		}
		b := newBalancer(Config{BaseURL: mustURL("http://peer.test."), Resolver: truncatingDNS(t, ips)}, 80)
		found, err := b.lookup(t.Context())
		require.NoError(t, err)
		require.Len(t, found, 150)
		slices.SortFunc(found, netip.Addr.Compare)
		require.Equal(t, "10.244.2.50", found[149].String())
	})

	t.Run("get equal shares", func(t *testing.T) {
		// Without servers: on a busy machine, the balancer rightly avoids those that get no processor.
		b := newBalancer(Config{BaseURL: mustURL("http://peer"), Logger: slog.New(slog.DiscardHandler)}, 80)
		var ips []netip.Addr
		for _, ip := range manyIPs(150) {
			ips = append(ips, netip.MustParseAddr(ip))
		}
		b.applyLookup(ips, nil)
		shares := map[*endpoint]int{}
		for range 150 * 40 / 8 { // by chance alone, the ratio would be about 2
			var inFlight []*endpoint
			for range 8 {
				e, err := b.pick(t.Context(), nil)
				require.NoError(t, err)
				shares[e]++
				inFlight = append(inFlight, e)
			}
			for _, e := range inFlight {
				b.done(e, time.Millisecond, outcomeSuccess)
			}
		}
		counts := slices.Sorted(maps.Values(shares))
		require.Len(t, counts, 150)
		t.Logf("the busiest has %d calls, the idlest %d", counts[149], counts[0])
		require.LessOrEqual(t, float64(counts[149]), 1.5*float64(counts[0]))
	})

	t.Run("all get calls, with one look-up", func(t *testing.T) {
		backends, c, resolver := many(t, 150)
		callConcurrently(t, c, 6000, 4)
		for _, b := range backends {
			require.NotZero(t, b.hits.Load(), b.ip)
		}
		require.Equal(t, 1, resolver.lookups(), "only the first one")
	})

	t.Run("are looked up as often as few", func(t *testing.T) {
		const interval, during = 100 * time.Millisecond, time.Second
		var lookups [2]int
		for i, n := range []int{3, 150} {
			_, c, resolver := many(t, n, func(c *Config) { c.LookupInterval = interval })
			for start := time.Now(); time.Since(start) < during; {
				get(t, c)
			}
			lookups[i] = resolver.lookups()
		}
		// Each look-up comes interval after a pause of the same length.
		require.LessOrEqual(t, lookups[1], lookups[0]+1)
		require.LessOrEqual(t, lookups[1], int(during/interval)+2)
	})

	// The benchmark addresses of src/bench measures the processor time.
	t.Run("allocate as much for a call as few do", func(t *testing.T) {
		_, few, _ := many(t, 3)
		_, lots, _ := many(t, 150)
		const calls = 4000
		callConcurrently(t, few, calls, 1)
		callConcurrently(t, lots, calls, 1)
		before := allocated()
		callConcurrently(t, few, calls, 1)
		between := allocated()
		callConcurrently(t, lots, calls, 1)
		ratio := (allocated() - between) / (between - before)
		t.Logf("allocated bytes of a call with 150 to those with 3: %.3f", ratio)
		require.LessOrEqual(t, ratio, 1.1)
	})

	t.Run("of which ten are dead fail no call", func(t *testing.T) {
		t.Parallel()
		reg := prometheus.NewRegistry()
		backends, c, _ := many(t, 150, func(c *Config) { c.Registry = reg })
		callConcurrently(t, c, 1500, 4)
		stopBackends(backends[:10])
		start := time.Now()
		for range 3000 {
			res, err := c.Get(t.Context(), "/x", "/x")
			require.NoError(t, err)
			require.Equal(t, http.StatusOK, res.Status)
		}
		retries := metric(t, reg, "http_client_retries_total", nil).GetCounter().GetValue()
		require.LessOrEqual(t, retries, 20.0, "one for each, until it is known")
		t.Logf("%v retries in %v", retries, time.Since(start))
		// They stay out for longer than an ejection takes.
		before := retries
		for end := time.Now().Add(3 * time.Second); time.Now().Before(end); {
			get(t, c)
		}
		require.LessOrEqual(t, metric(t, reg, "http_client_retries_total", nil).GetCounter().GetValue()-before, 1.0)
	})

	t.Run("of which most are dead are found within five seconds", func(t *testing.T) {
		t.Parallel()
		backends, c, _ := many(t, 150)
		stopBackends(backends[15:])
		requireFound(t, c, 5*time.Second)
	})

	t.Run("of which most do not answer are found within five seconds", func(t *testing.T) {
		t.Parallel()
		backends, c, _ := many(t, 150)
		silence := silentAddresses(t, backends[15:])
		defer silence()
		requireFound(t, c, 5*time.Second)
	})

	t.Run("are used again when they are back", func(t *testing.T) {
		t.Parallel()
		backends, c, _ := many(t, 10)
		stopBackends(backends[1:])
		requireFound(t, c, 5*time.Second)
		_, ejected := c.balancer.count()
		require.Equal(t, 9, ejected)
		port := backends[0].port()
		for _, b := range backends[1:] {
			var listener net.Listener
			require.Eventually(t, func() (listening bool) {
				var err error
				listener, err = net.Listen("tcp", net.JoinHostPort(b.ip, port))
				return err == nil
			}, testTimeout, 10*time.Millisecond)
			server := &http.Server{Handler: http.HandlerFunc(ok)}
			go func() { _ = server.Serve(listener) }()
			t.Cleanup(func() { server.Close() })
		}
		require.Eventually(t, func() bool {
			healthy, _ := c.balancer.count()
			return healthy == 10
		}, testTimeout, 10*time.Millisecond)
	})
}

// requireFound makes 100 calls a second, and fails if one fails more than limit after
// the first, for as long again.
func requireFound(t *testing.T, c *Client, limit time.Duration) {
	t.Helper()
	ticker := time.NewTicker(10 * time.Millisecond)
	defer ticker.Stop()
	var failed, last atomic.Int64 // last: when the last failing call began, after the start
	var group sync.WaitGroup
	start := time.Now()
	for time.Since(start) < limit+2*time.Second {
		<-ticker.C
		began := time.Since(start)
		group.Go(func() {
			if res, err := c.Get(t.Context(), "/x", "/x"); err != nil || res.Status != http.StatusOK {
				failed.Add(1)
				for old := last.Load(); int64(began) > old && !last.CompareAndSwap(old, int64(began)); old = last.Load() {
				}
			}
		})
	}
	group.Wait()
	t.Logf("%d calls failed, the last after %v", failed.Load(), time.Duration(last.Load()))
	require.Less(t, time.Duration(last.Load()), limit)
}

// callConcurrently makes calls by some callers at the same time. Each must succeed.
func callConcurrently(t *testing.T, c *Client, calls, callers int) {
	var group sync.WaitGroup
	for range callers {
		group.Go(func() {
			for range calls / callers {
				res, err := c.Get(t.Context(), "/x", "/x")
				if !assert.NoError(t, err) || !assert.Equal(t, http.StatusOK, res.Status) {
					return
				}
			}
		})
	}
	group.Wait()
}

func allocated() float64 {
	var stats runtime.MemStats
	runtime.ReadMemStats(&stats)
	return float64(stats.TotalAlloc)
}

// stopBackends makes connections to the backends be refused.
func stopBackends(backends []*backend) {
	for _, b := range backends {
		b.CloseClientConnections()
		b.Close()
	}
}

// silentAddresses makes connections to the backends wait: each has a listener whose
// queue is full. It returns a function that ends it.
func silentAddresses(t *testing.T, backends []*backend) (end func()) {
	t.Helper()
	stopBackends(backends)
	var sockets []int
	for _, b := range backends {
		port, err := strconv.Atoi(b.port())
		require.NoError(t, err)
		address := &syscall.SockaddrInet4{Port: port, Addr: netip.MustParseAddr(b.ip).As4()}
		listener := socket(t)
		require.NoError(t, syscall.SetsockoptInt(listener, syscall.SOL_SOCKET, syscall.SO_REUSEADDR, 1))
		require.NoError(t, syscall.Bind(listener, address))
		require.NoError(t, syscall.Listen(listener, 0))
		sockets = append(sockets, listener)
		for range 2 { // the queue takes one more than asked for
			client := socket(t)
			require.NoError(t, syscall.SetNonblock(client, true))
			_ = syscall.Connect(client, address) // goes on in the background
			sockets = append(sockets, client)
		}
	}
	return func() {
		for _, s := range sockets {
			_ = syscall.Close(s)
		}
	}
}

func socket(t *testing.T) int {
	t.Helper()
	s, err := syscall.Socket(syscall.AF_INET, syscall.SOCK_STREAM, 0)
	require.NoError(t, err)
	return s
}
