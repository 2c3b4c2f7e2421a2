#!/usr/bin/env bash
# net/http's Transport repeats a POST by itself, after the server has received all of it, if the request has the header
# Idempotency-Key (or X-Idempotency-Key): the header that a client sets for the server is an instruction to the client's
# own transport. It needs a connection that was used before and a body that can be read again. The caller sees one
# response and no error, so that a wrapper which counts or limits attempts counts one.
# Source: https://pkg.go.dev/net/http#Transport (last paragraph), https://github.com/golang/go/issues/19943.
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
// Sends one request to a handler that drops the connection the first time, after it has read the body.
package main

import (
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"runtime"
	"strings"
	"sync/atomic"
)

func main() {
	fmt.Println("version:", runtime.Version(), "net/http")
	plain, plainErr := send("POST", "")
	keyed, keyedErr := send("POST", "a-key")
	patch, patchErr := send("PATCH", "a-key")
	fmt.Printf("POST:                       the handler ran %d time(s), the caller got error %v\n", plain, plainErr)
	fmt.Printf("POST with Idempotency-Key:  the handler ran %d time(s), the caller got error %v\n", keyed, keyedErr)
	fmt.Printf("PATCH with Idempotency-Key: the handler ran %d time(s), the caller got error %v\n", patch, patchErr)
	if plain != 1 || plainErr == nil || keyed != 2 || keyedErr != nil || patch != 2 || patchErr != nil {
		fmt.Println("CHANGED: the handler should run once without the header, and twice, without an error, with it")
		os.Exit(1)
	}
}

// send returns how often the handler ran and the error of the caller.
func send(method, key string) (int32, error) {
	var runs atomic.Int32
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		io.Copy(io.Discard, r.Body)
		if r.Method == "GET" || runs.Add(1) > 1 {
			return
		}
		conn, _, err := http.NewResponseController(w).Hijack()
		if err != nil {
			panic(err)
		}
		conn.Close()
	}))
	defer server.Close()
	client := server.Client()
	res, err := client.Get(server.URL) // leaves a connection that can be used again
	if err != nil {
		panic(err)
	}
	res.Body.Close()
	req, err := http.NewRequest(method, server.URL, strings.NewReader(`{"quantity": 1}`))
	if err != nil {
		panic(err)
	}
	if key != "" {
		req.Header.Set("Idempotency-Key", key)
	}
	res, err = client.Do(req)
	if err == nil {
		res.Body.Close()
	}
	return runs.Load(), err
}
EOF
go run .
