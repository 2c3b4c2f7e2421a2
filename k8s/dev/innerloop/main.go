// Command innerloop measures the inner loop of "tilt up": the time from saving
// a Go file until the service in the cluster responds with the change. It also
// checks that the running process keeps serving while the source does not
// compile. It edits a source file and restores it before it exits.
//
//	go run ./k8s/dev/innerloop
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"slices"
	"strings"
	"syscall"
	"time"
)

const (
	service      = "users"
	sourcePath   = "src/users/user.go"
	originalText = "There is no user" // in the source and in the response
	url          = "http://localhost:5001/users/nobody"
	editTimeout  = 90 * time.Second
	pollInterval = 100 * time.Millisecond // shorter intervals slow the compiler down
)

func main() {
	edits := flag.Int("runs", 5, "number of edits to measure")
	limit := flag.Duration("limit", 5*time.Second, "fail when the median is longer than this")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM, syscall.SIGHUP)
	err := measure(ctx, *edits, *limit)
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

// measure returns an error if the median of the edits is longer than limit.
func measure(ctx context.Context, edits int, limit time.Duration) (err error) {
	if err := awaitResponse(ctx, originalText+" nobody", 10*time.Second); err != nil {
		return fmt.Errorf("is `tilt up` running? %w", err)
	}
	source, err := openSource(sourcePath)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, source.restore()) }()

	fmt.Println("  total   noticed  compile  waited  synced   served    load average")
	var totals []time.Duration
	for i := range edits {
		total, err := measureEdit(ctx, source, fmt.Sprintf("%s, says edit %d.%d,", originalText, os.Getpid(), i+1))
		if err != nil {
			return err
		}
		totals = append(totals, total)
	}
	if err := checkCompileError(ctx, source); err != nil {
		return err
	}
	slices.Sort(totals)
	median := totals[len(totals)/2]
	fmt.Printf("median of %d edits: %.1f s, limit %v\n", edits, median.Seconds(), limit)
	if median > limit {
		return errors.New("the median is longer than the limit; the load average shows whether other programs were busy")
	}
	return nil
}

// measureEdit saves the source with another text, waits until the service
// responds with it, prints how long each step took, and returns the total.
func measureEdit(ctx context.Context, source *source, newText string) (time.Duration, error) {
	saved := time.Now()
	if err := source.write(strings.Replace(source.original, originalText, newText, 1)); err != nil {
		return 0, err
	}
	if err := awaitResponse(ctx, newText, editTimeout); err != nil {
		return 0, err
	}
	served := time.Now()
	compiled, synced, err := awaitUpdates(ctx, saved)
	if err != nil {
		return 0, err
	}
	for _, step := range []time.Duration{
		served.Sub(saved), compiled.Start.Sub(saved), compiled.Finish.Sub(compiled.Start),
		synced.Start.Sub(compiled.Finish), synced.Finish.Sub(synced.Start), served.Sub(synced.Finish),
	} {
		fmt.Printf("%6.2f s ", step.Seconds())
	}
	fmt.Printf("  %s\n", loadAverage())
	return served.Sub(saved), nil
}

// awaitUpdates returns Tilt's first compilation since a time and the update of
// the service that followed it. Tilt publishes an update shortly after it.
func awaitUpdates(ctx context.Context, since time.Time) (compiled, synced update, err error) {
	err = poll(ctx, editTimeout, func() error {
		if compiled, err = updateSince(ctx, "compile-"+service, since); err != nil {
			return err
		}
		synced, err = updateSince(ctx, service, compiled.Start)
		return err
	})
	return compiled, synced, err
}

// checkCompileError checks that the running process keeps serving while its
// source does not compile, and that Tilt shows the error until it is fixed.
func checkCompileError(ctx context.Context, source *source) error {
	if err := source.write(source.original + "\nthis is no Go\n"); err != nil {
		return err
	}
	if err := awaitStatus(ctx, "error"); err != nil {
		return err
	}
	for range 20 {
		if err := awaitResponse(ctx, originalText, 0); err != nil {
			return fmt.Errorf("the service does not respond after a compile error: %w", err)
		}
		time.Sleep(100 * time.Millisecond)
	}
	fmt.Printf("compile error: compile-%s has status error, the running process keeps serving\n", service)
	if err := source.restore(); err != nil {
		return err
	}
	if err := awaitResponse(ctx, originalText+" nobody", editTimeout); err != nil {
		return err
	}
	if err := awaitStatus(ctx, "ok"); err != nil {
		return err
	}
	fmt.Printf("compile error fixed: compile-%s has status ok, the original source is served\n", service)
	return nil
}

// awaitStatus waits until Tilt reports a status for the compilation.
func awaitStatus(ctx context.Context, status string) error {
	return poll(ctx, editTimeout, func() error { return checkStatus(ctx, "compile-"+service, status) })
}

func loadAverage() string {
	loads, _ := os.ReadFile("/proc/loadavg")
	oneMinute, _, _ := strings.Cut(string(loads), " ")
	return oneMinute
}
