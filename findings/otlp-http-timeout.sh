#!/usr/bin/env bash
# OTEL_EXPORTER_OTLP_TIMEOUT is the longest time that an exporter waits for the export of a batch. The exporter for gRPC obeys:
# its repetitions end after that time. The one for HTTP gives that time to each request, and repeats for as long as its
# RetryConfig says (a minute) or the caller's context lasts (30 s in the batch processor). A collector that is overloaded (503)
# keeps an export busy that much longer, and meanwhile the queue of spans fills. Only the choice of protocol differs.
# Source: https://github.com/open-telemetry/opentelemetry-go/issues/6920, and "Timeout" in
# https://opentelemetry.io/docs/specs/otel/protocol/exporter/.
set -euo pipefail
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
cd "$dir"
export GOWORK=off GOMODCACHE=$dir/modules GOFLAGS="-mod=mod -modcacherw -trimpath" CGO_ENABLED=0
cat >go.mod <<'EOF'
module finding

go 1.26.0

require (
	go.opentelemetry.io/otel v1.47.0
	go.opentelemetry.io/otel/exporters/otlp/otlptrace v1.47.0
	go.opentelemetry.io/otel/exporters/otlp/otlptrace/otlptracegrpc v1.47.0
	go.opentelemetry.io/otel/exporters/otlp/otlptrace/otlptracehttp v1.47.0
	go.opentelemetry.io/otel/sdk v1.47.0
)
EOF
cat >main.go <<'EOF'
// Exports one span to a collector that is unavailable, by HTTP and by gRPC, with a timeout of one second.
package main

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"runtime/debug"
	"strings"
	"sync/atomic"
	"time"

	"go.opentelemetry.io/otel/exporters/otlp/otlptrace"
	"go.opentelemetry.io/otel/exporters/otlp/otlptrace/otlptracegrpc"
	"go.opentelemetry.io/otel/exporters/otlp/otlptrace/otlptracehttp"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
)

// limit is the time that the caller allows.
const limit = 12 * time.Second

var requests atomic.Int64

func main() {
	info, _ := debug.ReadBuildInfo()
	for _, dep := range info.Deps {
		if strings.HasPrefix(dep.Path, "go.opentelemetry.io/otel/exporters/otlp/otlptrace/") {
			fmt.Println("version:", dep.Path, dep.Version)
		}
	}
	os.Setenv("OTEL_EXPORTER_OTLP_TIMEOUT", "1000")
	byGRPC := export("gRPC, UNAVAILABLE", otlptracegrpc.NewClient(otlptracegrpc.WithInsecure(), otlptracegrpc.WithEndpoint(overGRPC())))
	byHTTP := export("HTTP, 503", otlptracehttp.NewClient(otlptracehttp.WithEndpointURL(overHTTP())))
	if byGRPC > 4*time.Second || byHTTP < limit-time.Second {
		fmt.Printf("CHANGED: gRPC should give up after one second, HTTP only after %v\n", limit)
		os.Exit(1)
	}
}

// export returns how long the export of one span takes, whose caller waits no longer than limit.
func export(how string, client otlptrace.Client) time.Duration {
	ctx, cancel := context.WithTimeout(context.Background(), limit)
	defer cancel()
	exporter, err := otlptrace.New(ctx, client)
	if err != nil {
		panic(err)
	}
	requests.Store(0)
	start := time.Now()
	err = exporter.ExportSpans(ctx, []sdktrace.ReadOnlySpan{tracetest.SpanStub{Name: "GET /orders"}.Snapshot()})
	took := time.Since(start)
	fmt.Printf("%s, timeout 1 s, the caller allows %v: gave up after %.1f s and %d requests\n  error: %v\n",
		how, limit, took.Seconds(), requests.Load(), err)
	if err == nil {
		panic("no error")
	}
	return took
}

func overHTTP() string {
	return httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		requests.Add(1)
		w.WriteHeader(http.StatusServiceUnavailable)
	})).URL + "/v1/traces"
}

func overGRPC() string {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		panic(err)
	}
	go grpc.NewServer(grpc.UnknownServiceHandler(func(any, grpc.ServerStream) error {
		requests.Add(1)
		return status.Error(codes.Unavailable, "overloaded")
	})).Serve(listener)
	return listener.Addr().String()
}
EOF
go run .
