package main

import (
	"context"
	"fmt"
	"io"
	"net"
	"time"
)

// recoveryTimeout is the time in which files and goroutines must be as before. The
// connections of orders to users that are no longer used end after 30 s.
const recoveryTimeout = 40 * time.Second

// report writes the rows of one service.
type report struct {
	out    io.Writer
	target target
	load   *load
	bound  time.Duration // of the 99th percentile
	health time.Duration // the longest time of /health
	failed int
}

func (r *report) row(name string, got results) {
	p99 := got.percentile(0.99)
	r.verdict(len(got.failures) == 0 && p99 <= r.bound && got.health <= r.health && got.memory <= chartMemory,
		"%-32s %6d requests, %d failed, p99 %s, /health at most %s, memory at most %d MiB", name, len(got.durations),
		len(got.failures), p99.Round(100*time.Microsecond), got.health.Round(100*time.Microsecond), got.memory>>20)
	for _, failure := range got.failures[:min(3, len(got.failures))] {
		fmt.Fprintln(r.out, "    ", failure)
	}
}

func (r *report) verdict(ok bool, format string, args ...any) {
	word := "ok    "
	if !ok {
		word = "FAILED"
		r.failed++
	}
	fmt.Fprintf(r.out, "%s %-18s %s\n", word, r.target.name, fmt.Sprintf(format, args...))
}

// recovery reports whether files and goroutines are as they were.
func (r *report) recovery(files, goroutines int) {
	nowFiles, nowGoroutines := 0, 0
	ok := false
	for deadline := time.Now().Add(recoveryTimeout); !ok && time.Now().Before(deadline); time.Sleep(100 * time.Millisecond) {
		nowFiles, nowGoroutines = r.load.held()
		ok = nowFiles <= files && nowGoroutines <= goroutines
	}
	r.verdict(ok, "files %d, before %d; goroutines %d, before %d", nowFiles, files, nowGoroutines, goroutines)
}

// stop reports whether slow clients hold a stop.
func (r *report) stop(ctx context.Context, o options) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	silent := kind{"silent", func(ctx context.Context, _ net.Conn, _ target) { <-ctx.Done() }}
	all := kinds()
	go attack(ctx, r.target, []kind{all[1], all[6], silent}, o.clients/3, time.Second)
	sleep(ctx, 900*time.Millisecond)
	duration, err := r.target.stop()
	r.verdict(err == nil && duration <= o.stop, "stop with %d slow clients: %s, %v", o.clients, duration.Round(time.Millisecond), err)
}
