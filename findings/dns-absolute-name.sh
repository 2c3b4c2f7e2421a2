#!/usr/bin/env bash
# A dot at the end of a name changes which of two errors Go's resolver reports. It sends the queries for A and AAAA at once.
# When one fails (SERVFAIL) and the other says that there are no records, the first to arrive is reported for a name with
# the dot, and the last for one without. A nameserver that fails is usually the slower one, so that with the dot a failure
# for a moment becomes a name that does not exist: IsNotFound is true, IsTemporary is false.
# Source: goLookupIPCNAMEOrder in Go's src/net/dnsclient_unix.go prefers the error of "the original name" by comparing
# with name+".". StrictErrors (https://pkg.go.dev/net#Resolver) lets the temporary failure win. The option single-request
# of resolv.conf, with which the queries are not sent at once, would change the result.
set -euo pipefail
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
cd "$dir"
export GOWORK=off GOMODCACHE=$dir/modules GOFLAGS="-mod=mod -modcacherw -trimpath" CGO_ENABLED=0
cat >go.mod <<'EOF'
module finding

go 1.26.0

require golang.org/x/net v0.61.0
EOF
cat >main.go <<'EOF'
// Asks a nameserver of its own, on the loopback interface.
package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"runtime"
	"time"

	"golang.org/x/net/dns/dnsmessage"
)

func main() {
	conn, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		panic(err)
	}
	go serve(conn)
	fmt.Println("version:", runtime.Version(), "net.Resolver with PreferGo")
	fmt.Println("A: SERVFAIL after 0.1 s, AAAA: no records, at once")
	changed := false
	for _, t := range []struct {
		name             string
		strict, notFound bool
	}{{"peer.shop.svc.cluster.local.", false, true}, {"peer.shop.svc.cluster.local", false, false},
		{"peer.shop.svc.cluster.local.", true, false}} {
		dnsErr := lookup(conn.LocalAddr().String(), t.name, t.strict)
		fmt.Printf("%-28s StrictErrors %-5t  IsNotFound %-5t IsTemporary %-5t  %s\n",
			t.name, t.strict, dnsErr.IsNotFound, dnsErr.IsTemporary, dnsErr.Err)
		changed = changed || dnsErr.IsNotFound != t.notFound || dnsErr.IsTemporary == t.notFound
	}
	if changed {
		fmt.Println("CHANGED: the first line should be not found, the others temporary")
		os.Exit(1)
	}
}

// serve answers every A query with SERVFAIL, after a while, and every other query with no records.
func serve(conn net.PacketConn) {
	buf := make([]byte, 1500)
	for {
		n, from, err := conn.ReadFrom(buf)
		if err != nil {
			return
		}
		var m dnsmessage.Message
		if m.Unpack(buf[:n]) != nil || len(m.Questions) != 1 {
			continue
		}
		m.Response, m.RecursionAvailable, m.Additionals = true, true, nil
		delay := time.Duration(0)
		if m.Questions[0].Type == dnsmessage.TypeA {
			m.RCode, delay = dnsmessage.RCodeServerFailure, 100*time.Millisecond
		}
		time.AfterFunc(delay, func() {
			if out, err := m.Pack(); err == nil {
				conn.WriteTo(out, from)
			}
		})
	}
}

func lookup(server, name string, strict bool) (dnsErr *net.DNSError) {
	r := net.Resolver{PreferGo: true, StrictErrors: strict, Dial: func(ctx context.Context, proto, _ string) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, proto, server)
	}}
	ips, err := r.LookupNetIP(context.Background(), "ip", name)
	if !errors.As(err, &dnsErr) {
		panic(fmt.Sprint("no DNS error: ", ips, err))
	}
	return dnsErr
}
EOF
go run .
