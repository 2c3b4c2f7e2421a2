#!/usr/bin/env bash
# net/http's Server.Shutdown closes an idle connection at once, but waits for one on which no request has come yet: until
# it is five seconds old, and then for the next poll. No setting of the server changes this, ReadHeaderTimeout neither.
# Browsers and load balancers open such connections in advance. A shutdown timeout of five seconds is too short for them.
# Source: https://github.com/golang/go/issues/22682 (why) and https://github.com/golang/go/issues/59037 (not documented).
set -euo pipefail
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
cd "$dir"
export GOWORK=off GOMODCACHE=$dir/modules GOFLAGS="-mod=mod -modcacherw -trimpath" CGO_ENABLED=0
cat >go.mod <<'EOF'
module finding

go 1.26.0
EOF
cat >main.go <<'EOF'
// Shuts a server down while one connection is open on which nothing was sent, and while one is idle.
package main

import (
	"bufio"
	"context"
	"fmt"
	"net"
	"net/http"
	"os"
	"runtime"
	"time"
)

func main() {
	fmt.Println("version:", runtime.Version(), "net/http")
	idle, silent := shutdown(true), shutdown(false)
	fmt.Println("Shutdown with a connection that has had a response:", idle.Round(10*time.Millisecond))
	fmt.Println("Shutdown with a connection that has sent nothing:  ", silent.Round(10*time.Millisecond))
	if idle > 2*time.Second || silent < 4*time.Second || silent > 9*time.Second {
		fmt.Println("CHANGED: the first should take no time, the second five to six seconds")
		os.Exit(1)
	}
}

// shutdown returns how long Shutdown takes while a new connection is open, with or without a request on it before.
func shutdown(request bool) time.Duration {
	accepted := make(chan struct{}, 1)
	server := &http.Server{ReadHeaderTimeout: 100 * time.Second, ConnState: func(_ net.Conn, s http.ConnState) {
		if s == http.StateNew {
			accepted <- struct{}{}
		}
	}}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		panic(err)
	}
	go server.Serve(listener)
	conn, err := net.Dial("tcp", listener.Addr().String())
	if err != nil {
		panic(err)
	}
	defer conn.Close()
	<-accepted
	if request {
		fmt.Fprint(conn, "HEAD / HTTP/1.1\r\nHost: localhost\r\n\r\n")
		if _, err := http.ReadResponse(bufio.NewReader(conn), &http.Request{Method: "HEAD"}); err != nil {
			panic(err)
		}
	}
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	defer cancel()
	start := time.Now()
	if err := server.Shutdown(ctx); err != nil {
		panic(err)
	}
	return time.Since(start)
}
EOF
go run .
