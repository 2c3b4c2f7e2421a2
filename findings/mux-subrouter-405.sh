#!/usr/bin/env bash
# In gorilla/mux v1.8.1 a known path with a wrong method is answered with 405 or with 404, depending on the order in which
# routes were registered, as soon as a subrouter is involved: a later route that matches the prefix, but not the path,
# erases the mismatch of the method that an earlier one has found. This holds for two subrouters with the same prefix and
# for two routes of one. Routes without a subrouter give 405 in any order.
# Source: https://github.com/gorilla/mux/issues/739 and https://github.com/gorilla/mux/issues/751; there is no newer release.
set -euo pipefail
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
cd "$dir"
export GOWORK=off GOMODCACHE=$dir/modules GOFLAGS="-mod=mod -modcacherw -trimpath" CGO_ENABLED=0
cat >go.mod <<'EOF'
module finding

go 1.26.0

require github.com/gorilla/mux v1.8.1
EOF
cat >main.go <<'EOF'
// Sends DELETE for a path that has GET only, to routers that differ in the order of registration.
package main

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"runtime/debug"

	"github.com/gorilla/mux"
)

const order, details = "/{id}", "/{id}/details"

func main() {
	info, _ := debug.ReadBuildInfo()
	for _, dep := range info.Deps {
		fmt.Println("version:", dep.Path, dep.Version)
	}
	changed := false
	for _, t := range []struct {
		about string
		build func(*mux.Router)
		want  int
	}{
		{"subrouter with the path, then another", func(r *mux.Router) { sub(r, order); sub(r, details) }, 404},
		{"another, then subrouter with the path", func(r *mux.Router) { sub(r, details); sub(r, order) }, 405},
		{"one subrouter, the path first", func(r *mux.Router) { sub(r, order, details) }, 404},
		{"one subrouter, the path last", func(r *mux.Router) { sub(r, details, order) }, 405},
		{"no subrouter, the path first", func(r *mux.Router) { get(r, "/orders"+order); get(r, "/orders"+details) }, 405},
		{"no subrouter, the path last", func(r *mux.Router) { get(r, "/orders"+details); get(r, "/orders"+order) }, 405},
	} {
		router := mux.NewRouter()
		t.build(router)
		w := httptest.NewRecorder()
		router.ServeHTTP(w, httptest.NewRequest("DELETE", "/orders/1", nil))
		fmt.Printf("%-40s %d\n", t.about, w.Code)
		changed = changed || w.Code != t.want
	}
	if changed {
		fmt.Println("CHANGED: see the list in this script")
		os.Exit(1)
	}
}

func sub(r *mux.Router, paths ...string) {
	s := r.PathPrefix("/orders").Subrouter()
	for _, path := range paths {
		get(s, path)
	}
}

func get(r *mux.Router, path string) {
	r.HandleFunc(path, func(http.ResponseWriter, *http.Request) {}).Methods("GET")
}
EOF
go run .
