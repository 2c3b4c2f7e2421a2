package httpclient

import (
	"bytes"
	"context"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/net/dns/dnsmessage"
)

// dnsAnswer is how a dnsServer answers a query for one type of records.
type dnsAnswer struct {
	rcode  dnsmessage.RCode
	ips    []netip.Addr
	silent bool // there is no answer
}

var (
	noData     = dnsAnswer{}
	nxDomain   = dnsAnswer{rcode: dnsmessage.RCodeNameError}
	serverFail = dnsAnswer{rcode: dnsmessage.RCodeServerFailure}
	silence    = dnsAnswer{silent: true}
)

func records(ips ...string) (a dnsAnswer) {
	for _, ip := range ips {
		a.ips = append(a.ips, netip.MustParseAddr(ip))
	}
	return a
}

// dnsServer is a DNS server on the loopback interface.
type dnsServer struct {
	conn    net.PacketConn
	answers atomic.Pointer[map[dnsmessage.Type]dnsAnswer]

	mu      sync.Mutex
	clients []net.Conn
	closed  bool
}

func startDNS(t *testing.T) *dnsServer {
	t.Helper()
	conn, err := net.ListenPacket("udp", "127.0.0.1:0")
	require.NoError(t, err)
	s := &dnsServer{conn: conn}
	s.set(noData, noData)
	done := make(chan struct{})
	go func() { defer close(done); s.serve() }()
	t.Cleanup(func() { s.close(); <-done })
	return s
}

// dial returns a connection to the server, which close ends: Go's resolver goes on to wait
// for an answer after the context of the look-up has ended.
func (s *dnsServer) dial() (net.Conn, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return nil, net.ErrClosed
	}
	client, err := net.Dial("udp", s.conn.LocalAddr().String())
	if err == nil {
		s.clients = append(s.clients, client)
	}
	return client, err
}

func (s *dnsServer) close() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.closed = true
	for _, client := range s.clients {
		client.Close()
	}
	s.conn.Close()
}

// set sets the answers to the queries for A and for AAAA records.
func (s *dnsServer) set(a, aaaa dnsAnswer) {
	s.answers.Store(&map[dnsmessage.Type]dnsAnswer{dnsmessage.TypeA: a, dnsmessage.TypeAAAA: aaaa})
}

func (s *dnsServer) serve() {
	buffer := make([]byte, 1500)
	for {
		n, from, err := s.conn.ReadFrom(buffer)
		if err != nil {
			return
		}
		var query dnsmessage.Message
		if query.Unpack(buffer[:n]) != nil || len(query.Questions) != 1 {
			continue
		}
		answer := (*s.answers.Load())[query.Questions[0].Type]
		if answer.silent {
			continue
		}
		if packed, err := response(query, answer).Pack(); err == nil {
			_, _ = s.conn.WriteTo(packed, from)
		}
	}
}

func response(query dnsmessage.Message, answer dnsAnswer) *dnsmessage.Message {
	r := &dnsmessage.Message{
		Header:    dnsmessage.Header{ID: query.ID, Response: true, Authoritative: true, RecursionAvailable: true, RCode: answer.rcode},
		Questions: query.Questions,
	}
	for _, ip := range answer.ips {
		header := dnsmessage.ResourceHeader{Name: query.Questions[0].Name, Type: query.Questions[0].Type, Class: dnsmessage.ClassINET, TTL: 1}
		var body dnsmessage.ResourceBody = &dnsmessage.AAAAResource{AAAA: ip.As16()}
		if ip.Is4() {
			body = &dnsmessage.AResource{A: ip.As4()}
		}
		r.Answers = append(r.Answers, dnsmessage.Resource{Header: header, Body: body})
	}
	return r
}

// balancer returns a balancer that looks up host at the server, with a short timeout.
func (s *dnsServer) balancer(host string) (*balancer, *bytes.Buffer) {
	var logged bytes.Buffer
	resolver := &net.Resolver{PreferGo: true, Dial: func(context.Context, string, string) (net.Conn, error) { return s.dial() }}
	b := newBalancer(Config{BaseURL: mustURL("http://" + host), Resolver: resolver, Logger: slog.New(slog.NewTextHandler(&logged, nil))}, 80)
	b.lookupConfig.timeout = 300 * time.Millisecond
	return b, &logged
}

// addresses looks the host up and returns the addresses in use.
func (b *balancer) addresses(t *testing.T) string {
	t.Helper()
	b.applyLookup(b.lookup(t.Context()))
	var all []string
	for _, e := range b.endpoints.Load().list() {
		all = append(all, e.AddrPort.Addr().String())
	}
	return strings.Join(all, " ")
}

func TestPartialLookup(t *testing.T) {
	const four, six = "10.0.0.1", "fd00::1"
	for _, host := range []string{"peer.test.", "peer.test"} {
		t.Run(host+" keeps the last addresses of a family whose look-up fails", func(t *testing.T) {
			tests := map[string]struct {
				before, after [2]dnsAnswer // A, AAAA
				want          string
				logged        int
			}{
				"A fails, no AAAA":             {[2]dnsAnswer{records(four), noData}, [2]dnsAnswer{serverFail, noData}, four, 1},
				"A is not answered, no AAAA":   {[2]dnsAnswer{records(four), noData}, [2]dnsAnswer{silence, noData}, four, 1},
				"A fails, no such name":        {[2]dnsAnswer{records(four), noData}, [2]dnsAnswer{serverFail, nxDomain}, four, 1},
				"AAAA fails, no A":             {[2]dnsAnswer{noData, records(six)}, [2]dnsAnswer{noData, serverFail}, six, 1},
				"AAAA is not answered, no A":   {[2]dnsAnswer{noData, records(six)}, [2]dnsAnswer{noData, silence}, six, 1},
				"both fail":                    {[2]dnsAnswer{records(four), noData}, [2]dnsAnswer{serverFail, serverFail}, four, 1},
				"neither is answered":          {[2]dnsAnswer{records(four), noData}, [2]dnsAnswer{silence, silence}, four, 1},
				"A fails, another AAAA":        {[2]dnsAnswer{records(four), records(six)}, [2]dnsAnswer{serverFail, records("fd00::2")}, four + " fd00::2", 1},
				"another A, AAAA fails":        {[2]dnsAnswer{records(four), records(six)}, [2]dnsAnswer{records("10.0.0.2"), serverFail}, "10.0.0.2 " + six, 1},
				"another A":                    {[2]dnsAnswer{records(four), noData}, [2]dnsAnswer{records("10.0.0.2"), noData}, "10.0.0.2", 0},
				"another A, AAAA always fails": {[2]dnsAnswer{records(four), serverFail}, [2]dnsAnswer{records("10.0.0.2"), serverFail}, "10.0.0.2", 0},
				"neither has a record":         {[2]dnsAnswer{records(four), noData}, [2]dnsAnswer{noData, noData}, "", 0},
				"no such name":                 {[2]dnsAnswer{records(four), records(six)}, [2]dnsAnswer{nxDomain, nxDomain}, "", 0},
				"only A has a record":          {[2]dnsAnswer{records(four), records(six)}, [2]dnsAnswer{records(four), noData}, four, 0},
			}
			for name, tt := range tests {
				t.Run(name, func(t *testing.T) {
					t.Parallel()
					server := startDNS(t)
					b, logged := server.balancer(host)
					server.set(tt.before[0], tt.before[1])
					require.NotEmpty(t, b.addresses(t))
					server.set(tt.after[0], tt.after[1])
					for range 2 {
						assert.Equal(t, tt.want, b.addresses(t))
					}
					assert.Equal(t, tt.logged, strings.Count(logged.String(), "lookup failed"), "a failure is logged once")
				})
			}
		})
	}
}

// A host with both families may be reachable by one of them only.
func TestDualStack(t *testing.T) {
	t.Run("a family that cannot be reached costs no call", func(t *testing.T) {
		backends := startBackends(t, func(string) http.HandlerFunc { return ok }, "127.0.0.1")
		resolver := resolverFor("fd00::1", "127.0.0.1")
		c := newClient(t, "http://peer:"+backends[0].port(), withResolver(resolver, time.Hour), func(c *Config) {
			c.Timeout, c.AttemptTimeout = 900*time.Millisecond, 400*time.Millisecond // as in orders
		})
		for range 100 {
			get(t, c)
		}
		require.EqualValues(t, 100, backends[0].hits.Load())
	})
}
