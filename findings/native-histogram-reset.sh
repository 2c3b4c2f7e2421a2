#!/usr/bin/env bash
# A histogram of client_golang with classic and native buckets returns to zero while the process goes on, and even while
# nothing is observed. When the native part has had more buckets than NativeHistogramMaxBucketNumber, it becomes coarser,
# and a timer starts. After NativeHistogramMinResetDuration the timer clears all of the histogram: _count, _sum and the
# classic buckets too. rate() takes this for a restart; whoever compares _count with a number of requests, or with a
# counter beside it, sees requests vanish. Without a reset duration nothing is lost.
# Source: https://pkg.go.dev/github.com/prometheus/client_golang/prometheus#HistogramOpts (NativeHistogramMaxBucketNumber);
# https://github.com/cortexproject/cortex/issues/7731 is a case with a duration that was too short.
set -euo pipefail
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
cd "$dir"
export GOWORK=off GOMODCACHE=$dir/modules GOFLAGS="-mod=mod -modcacherw -trimpath" CGO_ENABLED=0
cat >go.mod <<'EOF'
module finding

go 1.26.0

require (
	github.com/prometheus/client_golang v1.25.0
	github.com/prometheus/client_model v0.6.3
)
EOF
cat >main.go <<'EOF'
// Observes a thousand durations, and reads the count of the classic part at once and after the reset duration.
package main

import (
	"fmt"
	"os"
	"runtime/debug"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	dto "github.com/prometheus/client_model/go"
)

const resetDuration = 2 * time.Second

func main() {
	info, _ := debug.ReadBuildInfo()
	for _, dep := range info.Deps {
		if dep.Path == "github.com/prometheus/client_golang" {
			fmt.Println("version:", dep.Path, dep.Version)
		}
	}
	permanent, resetting := newHistogram(0), newHistogram(resetDuration)
	for i := range 1000 {
		permanent.Observe(float64(i+1) / 100)
		resetting.Observe(float64(i+1) / 100)
	}
	atOnce := count(resetting)
	time.Sleep(2 * resetDuration)
	later, kept := count(resetting), count(permanent)
	fmt.Println("1000 observations, then none")
	fmt.Println("reset duration 2 s:  classic count at once", atOnce, "and after 4 s", later)
	fmt.Println("no reset duration:   classic count after 4 s", kept)
	if atOnce != 1000 || later != 0 || kept != 1000 {
		fmt.Println("CHANGED: the counts should be 1000, 0 and 1000")
		os.Exit(1)
	}
}

func newHistogram(resetAfter time.Duration) prometheus.Histogram {
	return prometheus.NewHistogram(prometheus.HistogramOpts{
		Name: "duration_seconds", Help: "Duration.", Buckets: []float64{1, 10},
		NativeHistogramBucketFactor: 1.1, NativeHistogramMaxBucketNumber: 20, NativeHistogramMinResetDuration: resetAfter,
	})
}

// count returns the cumulative count of the last classic bucket.
func count(h prometheus.Histogram) uint64 {
	var m dto.Metric
	if err := h.Write(&m); err != nil {
		panic(err)
	}
	buckets := m.Histogram.Bucket
	return buckets[len(buckets)-1].GetCumulativeCount()
}
EOF
go run .
