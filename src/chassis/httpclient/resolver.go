package httpclient

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/netip"
	"net/url"
	"slices"
	"strconv"
	"time"

	semconv "go.opentelemetry.io/otel/semconv/v1.43.0"
)

const (
	lookupTimeout = 2 * time.Second
	// minLookupInterval is the shortest time between two lookups, however many are requested.
	minLookupInterval = 200 * time.Millisecond
)

// lookupConfig is how a balancer looks up the peer's addresses.
type lookupConfig struct {
	host     string // as configured, with a trailing dot if it has one
	port     uint16
	interval time.Duration
	timeout  time.Duration // of one lookup
	resolver Resolver
}

func newBalancer(cfg Config, port uint16) *balancer {
	return &balancer{
		lookupConfig:    lookupConfig{cfg.BaseURL.Hostname(), port, cfg.LookupInterval, lookupTimeout, cfg.Resolver},
		log:             cfg.Logger,
		ignoreLoad:      cfg.Disabled(Latency),
		neverEject:      cfg.Disabled(Ejection),
		staticEndpoints: cfg.Disabled(Lookups),
		firstLookup:     make(chan struct{}),
		lookupRequest:   make(chan struct{}, 1),
		stopped:         make(chan struct{}),
		reachRequest:    make(chan struct{}, 1),
		reachStopped:    make(chan struct{}),
	}
}

// portOf returns the port of base, or the default port of its scheme.
func portOf(base *url.URL) (uint16, error) {
	switch {
	case base.Port() != "":
		port, err := strconv.ParseUint(base.Port(), 10, 16)
		if err != nil || port == 0 {
			return 0, fmt.Errorf("httpclient: base URL %v: the port is not one from 1 to 65535", redacted(base))
		}
		return uint16(port), nil
	case base.Scheme == "https":
		return 443, nil
	default:
		return 80, nil
	}
}

// start starts the goroutines that keep the endpoints up to date until stop.
func (b *balancer) start() {
	ctx, cancel := context.WithCancel(context.Background())
	b.cancel = cancel
	go b.refreshLoop(ctx)
	go b.watchReach(ctx)
}

func (b *balancer) stop() {
	b.cancel()
	<-b.stopped
	<-b.reachStopped
}

// refreshLoop looks up the host at the configured interval and on request, until ctx ends.
func (b *balancer) refreshLoop(ctx context.Context) {
	defer close(b.stopped)
	b.applyLookup(b.lookup(ctx))
	close(b.firstLookup)
	interval := b.lookupConfig.interval
	timer := time.NewTimer(interval)
	defer timer.Stop()
	for !b.endpointsFixed() && sleep(ctx, min(minLookupInterval, interval)) == nil {
		timer.Reset(interval)
		select {
		case <-ctx.Done():
			return
		case <-timer.C:
		case <-b.lookupRequest:
		}
		ips, err := b.lookup(ctx)
		if ctx.Err() != nil {
			return
		}
		b.applyLookup(ips, err)
	}
}

// endpointsFixed returns whether no further lookup is made, because a test has disabled
// lookups and the first addresses are found.
func (b *balancer) endpointsFixed() bool {
	return b.staticEndpoints && len(b.endpoints.Load().list()) > 0
}

// requestLookup asks refreshLoop for a lookup. It does not wait for the result.
func (b *balancer) requestLookup() {
	select {
	case b.lookupRequest <- struct{}{}:
	default: // one is already requested
	}
}

// lookup resolves the host. It returns a host that is an IP address as it is, without the
// resolver.
//
// A resolver reports the addresses of one family, or that there are none, also if the query
// for the other family has failed. So lookup asks again for each family that has lost all
// its addresses. If that fails, it returns the last ones of that family and the error, too.
func (b *balancer) lookup(ctx context.Context) ([]netip.Addr, error) {
	if ip, err := netip.ParseAddr(b.lookupConfig.host); err == nil {
		return []netip.Addr{ip}, nil
	}
	ips, err := b.lookupNetwork(ctx, "ip")
	if err != nil && !isNotFound(err) {
		return nil, err
	}
	last := b.endpoints.Load().addresses()
	for network, has := range map[string]func(netip.Addr) bool{"ip4": netip.Addr.Is4, "ip6": netip.Addr.Is6} {
		if !slices.ContainsFunc(last, has) || slices.ContainsFunc(ips, has) {
			continue
		}
		found, familyErr := b.lookupNetwork(ctx, network)
		if familyErr == nil {
			err = nil
		} else if !isNotFound(familyErr) {
			err = familyErr
			found = slices.DeleteFunc(slices.Clone(last), func(ip netip.Addr) bool { return !has(ip) })
		}
		ips = append(ips, found...)
	}
	return ips, err
}

// lookupNetwork makes one lookup: of "ip4" or "ip6" addresses, or of both, "ip".
func (b *balancer) lookupNetwork(ctx context.Context, network string) ([]netip.Addr, error) {
	ctx, cancel := context.WithTimeout(ctx, b.lookupConfig.timeout)
	defer cancel()
	found, err := b.lookupConfig.resolver.LookupNetIP(ctx, network, b.lookupConfig.host)
	ips := make([]netip.Addr, len(found))
	for i, ip := range found {
		ips[i] = ip.Unmap()
	}
	return ips, err
}

// applyLookup replaces the endpoints by the result of a lookup. If the resolver fails, the
// last endpoints stay in use, but for addresses that it has found. If it answers that the
// name has no address, they do not.
func (b *balancer) applyLookup(ips []netip.Addr, err error) {
	old := b.endpoints.Load()
	host := slog.String(string(semconv.ServerAddressKey), b.lookupConfig.host)
	if err != nil && !isNotFound(err) && old != nil && len(old.endpoints) > 0 {
		if !b.lookupFailing {
			b.log.Warn("lookup failed, last endpoints kept", host, slog.String("error", err.Error()))
		}
		b.lookupFailing = true
		if len(ips) == 0 {
			return
		}
		err = nil
	} else {
		b.lookupFailing = false
	}
	if err == nil && len(ips) == 0 {
		err = errors.New("the resolver returned no address")
	}
	set := &endpointSet{ignoreLoad: b.ignoreLoad, err: err}
	// Sorted, because DNS servers rotate their records, which is not a change.
	for _, ip := range slices.SortedFunc(slices.Values(ips), netip.Addr.Compare) {
		set.add(netip.AddrPortFrom(ip.Unmap(), b.lookupConfig.port), old)
	}
	changed := !slices.Equal(old.list(), set.list())
	if changed || len(set.endpoints) == 0 { // an empty set may have another error
		b.endpoints.Store(set)
	}
	if !changed {
		return // and the turns of the old set go on
	}
	attrs := []slog.Attr{host, slog.Int("endpoints", len(set.endpoints))}
	if err != nil {
		attrs = append(attrs, slog.String("error", err.Error()))
	}
	b.log.LogAttrs(context.Background(), slog.LevelInfo, "endpoints changed", attrs...)
}

// add adds the endpoint at addrPort to s: the one of the old set, with its state, if that
// set contains it, or else a new one. It does not add an endpoint twice.
func (s *endpointSet) add(addrPort netip.AddrPort, old *endpointSet) {
	same := func(e *endpoint) bool { return e.AddrPort == addrPort }
	if slices.ContainsFunc(s.endpoints, same) {
		return
	}
	if i := slices.IndexFunc(old.list(), same); i >= 0 {
		s.endpoints = append(s.endpoints, old.endpoints[i])
		return
	}
	s.endpoints = append(s.endpoints, newEndpoint(addrPort))
}

// list returns the endpoints of s, which may be nil.
func (s *endpointSet) list() []*endpoint {
	if s == nil {
		return nil
	}
	return s.endpoints
}

// addresses returns the addresses of s, which may be nil.
func (s *endpointSet) addresses() []netip.Addr {
	var all []netip.Addr
	for _, e := range s.list() {
		all = append(all, e.Addr())
	}
	return all
}

func isNotFound(err error) bool {
	dnsErr, ok := errors.AsType[*net.DNSError](err)
	return ok && dnsErr.IsNotFound
}
