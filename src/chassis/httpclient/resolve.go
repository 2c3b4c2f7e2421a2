package httpclient

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"net/url"
	"slices"
	"strconv"
	"time"
)

const (
	resolveTimeout = 2 * time.Second
	// resolveGap is the shortest time between two look-ups, however many ask for one.
	resolveGap = 200 * time.Millisecond
)

// source is where the peer's addresses come from.
type source struct {
	host     string // as configured, a trailing dot included
	port     uint16
	every    time.Duration
	resolver Resolver
}

func newBalancer(cfg Config, port uint16) *balancer {
	return &balancer{
		source:  source{cfg.BaseURL.Hostname(), port, cfg.ResolveEvery, cfg.Resolver},
		log:     cfg.Logger,
		blind:   cfg.disabled(Latency),
		ejects:  !cfg.disabled(Ejection),
		once:    cfg.disabled(Lookups),
		first:   make(chan struct{}),
		wake:    make(chan struct{}, 1),
		stopped: make(chan struct{}),
	}
}

// portOf is the port of base, or the one that its scheme implies.
func portOf(base *url.URL) (uint16, error) {
	switch {
	case base.Port() != "":
		port, err := strconv.ParseUint(base.Port(), 10, 16)
		if err != nil {
			return 0, fmt.Errorf("httpclient: base URL %v: %w", base, err)
		}
		return uint16(port), nil
	case base.Scheme == "https":
		return 443, nil
	default:
		return 80, nil
	}
}

// start begins to keep the address set up to date, until stop.
func (b *balancer) start() {
	ctx, cancel := context.WithCancel(context.Background())
	b.cancel = cancel
	go b.keep(ctx)
}

func (b *balancer) stop() {
	b.cancel()
	<-b.stopped
}

// keep looks the host up by interval and on request.
func (b *balancer) keep(ctx context.Context) {
	defer close(b.stopped)
	b.replace(b.lookup(ctx))
	close(b.first)
	timer := time.NewTimer(b.source.every)
	defer timer.Stop()
	for !b.settled() && sleep(ctx, min(resolveGap, b.source.every)) == nil {
		timer.Reset(b.source.every)
		select {
		case <-ctx.Done():
			return
		case <-timer.C:
		case <-b.wake:
		}
		ips, err := b.lookup(ctx)
		if ctx.Err() != nil {
			return
		}
		b.replace(ips, err)
	}
}

// settled says whether the addresses are never looked up again.
func (b *balancer) settled() bool { return b.once && len(b.set.Load().list()) > 0 }

// resolveSoon asks for a look-up and does not wait for it.
func (b *balancer) resolveSoon() {
	select {
	case b.wake <- struct{}{}:
	default:
	}
}

// lookup resolves the host once. An IP address is its own answer, whatever the resolver.
func (b *balancer) lookup(ctx context.Context) ([]netip.Addr, error) {
	if ip, err := netip.ParseAddr(b.source.host); err == nil {
		return []netip.Addr{ip}, nil
	}
	ctx, cancel := context.WithTimeout(ctx, resolveTimeout)
	defer cancel()
	return b.source.resolver.LookupNetIP(ctx, "ip", b.source.host)
}

// replace takes over what a look-up has brought. A resolver that fails says nothing about
// the peer, so the last set stays; one that knows no address has answered.
func (b *balancer) replace(ips []netip.Addr, err error) {
	old := b.set.Load()
	if err != nil && !isNotFound(err) && old != nil && len(old.addresses) > 0 {
		if !b.failing {
			b.log.Warn("look-up failed, last addresses kept", "host", b.source.host, "error", err)
		}
		b.failing = true
		return
	}
	b.failing = false
	if err == nil && len(ips) == 0 {
		err = errors.New("empty answer")
	}
	next := &addressSet{blind: b.blind, err: err}
	// DNS servers rotate their answers, which changes nothing.
	for _, ip := range slices.SortedFunc(slices.Values(ips), netip.Addr.Compare) {
		next.add(netip.AddrPortFrom(ip.Unmap(), b.source.port), old)
	}
	b.set.Store(next)
	if !slices.Equal(old.list(), next.list()) {
		b.log.Info("addresses changed", "host", b.source.host, "addresses", len(next.addresses), "error", err)
	}
}

// add puts the address at a place into s, with what the old set knew of it.
func (s *addressSet) add(at netip.AddrPort, old *addressSet) {
	same := func(a *address) bool { return a.AddrPort == at }
	if slices.ContainsFunc(s.addresses, same) {
		return
	}
	if i := slices.IndexFunc(old.list(), same); i >= 0 {
		s.addresses = append(s.addresses, old.addresses[i])
		return
	}
	s.addresses = append(s.addresses, newAddress(at))
}

// list is the addresses of s, which may be nil.
func (s *addressSet) list() []*address {
	if s == nil {
		return nil
	}
	return s.addresses
}

func isNotFound(err error) bool {
	dns, ok := errors.AsType[*net.DNSError](err)
	return ok && dns.IsNotFound
}
