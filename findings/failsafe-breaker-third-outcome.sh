#!/usr/bin/env bash
# The circuit breaker of failsafe-go knows two outcomes. An error that HandleIf excludes is not ignored but counted as a
# success: while the breaker is half-open, callers that give up close it, although the service has not answered once, and
# while it is closed they dilute the rate of failures. With permits taken by hand, an outcome that is not recorded is no
# third one either: the permit of the half-open state does not come back, and no delay renews it.
# Source: https://pkg.go.dev/github.com/failsafe-go/failsafe-go/circuitbreaker#CircuitBreaker (RecordError and
# TryAcquirePermit say the same in other words).
set -euo pipefail
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
cd "$dir"
export GOWORK=off GOMODCACHE=$dir/modules GOFLAGS="-mod=mod -modcacherw -trimpath" CGO_ENABLED=0
cat >go.mod <<'EOF'
module finding

go 1.26.0

require github.com/failsafe-go/failsafe-go v0.9.8
EOF
cat >main.go <<'EOF'
// Lets callers give up while a breaker is half-open, and leaves permits unrecorded in a second breaker.
package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"runtime/debug"
	"time"

	"github.com/failsafe-go/failsafe-go"
	"github.com/failsafe-go/failsafe-go/circuitbreaker"
)

const delay = 50 * time.Millisecond

func main() {
	info, _ := debug.ReadBuildInfo()
	for _, dep := range info.Deps {
		if dep.Path == "github.com/failsafe-go/failsafe-go" {
			fmt.Println("version:", dep.Path, dep.Version)
		}
	}
	b := halfOpen()
	for i := range 3 {
		err := failsafe.With(b).Run(func() error { return context.Canceled })
		fmt.Printf("call %d gives up (%v): the breaker is %v\n", i+1, err, b.State())
	}
	state := b.State()

	b = halfOpen()
	for range 3 {
		b.TryAcquirePermit()
	}
	time.Sleep(20 * delay)
	permitted := b.TryAcquirePermit()
	fmt.Printf("three permits not recorded, 20 delays later: the breaker is %v, a permit: %t\n", b.State(), permitted)
	if state != circuitbreaker.ClosedState || permitted || b.State() != circuitbreaker.HalfOpenState {
		fmt.Println("CHANGED: the first breaker should be closed, the second half-open without a permit")
		os.Exit(1)
	}
}

// halfOpen returns a half-open breaker with three permits that does not count cancellations as failures.
func halfOpen() circuitbreaker.CircuitBreaker[any] {
	b := circuitbreaker.NewBuilder[any]().
		HandleIf(func(_ any, err error) bool { return err != nil && !errors.Is(err, context.Canceled) }).
		WithFailureThreshold(1).WithDelay(delay).WithSuccessThreshold(3).Build()
	b.RecordFailure()
	time.Sleep(2 * delay)
	return b
}
EOF
go run .
