#!/usr/bin/env bash
# OTEL_EXPORTER_OTLP_ENDPOINT=192.0.2.1:4317 makes otlptracegrpc export to localhost; its option WithEndpoint with the same
# text goes where it says, and so does a name with a port in the variable. The variable is parsed as a URL first. A URL
# cannot begin with "192.0.2.1:", so that the default stays, and New returns no error. A name before the colon passes for
# the scheme of a URL, which is then handed to gRPC as it is. There is one log line, from OpenTelemetry's own logger.
# Source: https://opentelemetry.io/docs/specs/otel/protocol/exporter/ (the endpoint of OTLP/gRPC should be accepted in
# any form that the gRPC client accepts); https://github.com/open-telemetry/opentelemetry-go/issues/5562.
set -euo pipefail
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
cd "$dir"
export GOWORK=off GOMODCACHE=$dir/modules GOFLAGS="-mod=mod -modcacherw -trimpath" CGO_ENABLED=0
cat >go.mod <<'EOF'
module finding

go 1.26.0

require (
	go.opentelemetry.io/otel/exporters/otlp/otlptrace/otlptracegrpc v1.47.0
	go.opentelemetry.io/otel/sdk v1.47.0
	google.golang.org/grpc v1.84.0
)
EOF
cat >main.go <<'EOF'
// Records the address that the exporter wants to connect to; nothing leaves the process.
package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"runtime/debug"
	"strings"
	"time"

	"go.opentelemetry.io/otel/exporters/otlp/otlptrace/otlptracegrpc"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"
	"google.golang.org/grpc"
)

func main() {
	info, _ := debug.ReadBuildInfo()
	for _, dep := range info.Deps {
		if strings.HasSuffix(dep.Path, "/otlptracegrpc") || dep.Path == "google.golang.org/grpc" {
			fmt.Println("version:", dep.Path, dep.Version)
		}
	}
	const address = "192.0.2.1:4317" // of a network for documentation (RFC 5737)
	bare := dialled(address)
	fmt.Printf("OTEL_EXPORTER_OTLP_ENDPOINT=%-22s connects to %s\n", address, bare)
	changed := false
	for _, endpoint := range []string{"http://" + address, "dns:///" + address} {
		got := dialled(endpoint)
		fmt.Printf("OTEL_EXPORTER_OTLP_ENDPOINT=%-22s connects to %s\n", endpoint, got)
		changed = changed || got != address
	}
	option := dialled("", otlptracegrpc.WithEndpoint(address))
	fmt.Printf("WithEndpoint(%q)%20s connects to %s\n", address, "", option)
	host, _, _ := net.SplitHostPort(bare)
	if changed || option != address || !net.ParseIP(host).IsLoopback() {
		fmt.Println("CHANGED: the first should be a loopback address, the others", address)
		os.Exit(1)
	}
}

// dialled returns the first address that an exporter dials.
func dialled(endpoint string, options ...otlptracegrpc.Option) string {
	os.Unsetenv("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT")
	os.Setenv("OTEL_EXPORTER_OTLP_ENDPOINT", endpoint)
	addresses := make(chan string, 100)
	dialer := grpc.WithContextDialer(func(_ context.Context, address string) (net.Conn, error) {
		select {
		case addresses <- address:
		default:
		}
		return nil, errors.New("not connected, only recorded")
	})
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	exporter, err := otlptracegrpc.New(ctx, append(options, otlptracegrpc.WithDialOption(dialer))...)
	if err != nil {
		panic(err)
	}
	defer exporter.Shutdown(ctx)
	go exporter.ExportSpans(ctx, tracetest.SpanStubs{{Name: "GET /orders"}}.Snapshots())
	select {
	case address := <-addresses:
		return address
	case <-ctx.Done():
		return "nothing"
	}
}
EOF
go run .
