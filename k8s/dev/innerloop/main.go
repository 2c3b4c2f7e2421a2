// Command innerloop measures the inner development loop while `tilt up` runs: the
// time from saving a Go file to the first response of the new binary. It also
// checks that the old process keeps serving after a compile error. It edits a
// source file and restores it before it exits.
//
//	go run ./k8s/dev/innerloop
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/signal"
	"slices"
	"strings"
	"syscall"
	"time"
)

const (
	service      = "users"
	file         = "src/users/user.go"
	text         = "There is no user"                   // in the file, replaced by each edit
	url          = "http://localhost:5001/users/nobody" // its response contains the text
	editTimeout  = 90 * time.Second
	pollInterval = 100 * time.Millisecond // shorter ones would slow down the compiler
)

func main() {
	runs := flag.Int("runs", 5, "number of edits to measure")
	limit := flag.Duration("limit", 5*time.Second, "maximum accepted median")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM, syscall.SIGHUP)
	err := measure(ctx, *runs, *limit)
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

// measure edits the file and returns an error if the median exceeds the limit or if
// the service does not survive a compile error.
func measure(ctx context.Context, runs int, limit time.Duration) (err error) {
	if err := await(ctx, text+" nobody", 10*time.Second); err != nil {
		return fmt.Errorf("the service does not respond, is `tilt up` running? %w", err)
	}
	source, err := open(file)
	if err != nil {
		return err
	}
	defer func() {
		err = errors.Join(err, source.restore())
	}()

	fmt.Println("  total   noticed  compile  waited  synced   served    load average")
	var totals []time.Duration
	for i := range runs {
		total, err := edit(ctx, source, fmt.Sprintf("%s, says edit %d.%d,", text, os.Getpid(), i+1))
		if err != nil {
			return err
		}
		totals = append(totals, total)
	}
	if err := compileError(ctx, source); err != nil {
		return err
	}
	slices.Sort(totals)
	median := totals[len(totals)/2]
	fmt.Printf("median of %d: %.1f s, limit %v\n", runs, median.Seconds(), limit)
	if median > limit {
		return errors.New("the inner loop is too slow: check the load of the machine, then Tilt")
	}
	return nil
}

// edit saves the file with a changed text and waits for a response that contains
// it. It prints the duration of each step and returns the total.
func edit(ctx context.Context, source *source, changed string) (time.Duration, error) {
	saved := time.Now()
	if err := source.write(strings.Replace(source.original, text, changed, 1)); err != nil {
		return 0, err
	}
	if err := await(ctx, changed, editTimeout); err != nil {
		return 0, err
	}
	served := time.Now()

	// Tilt reports an update shortly after its end.
	var compiled, synced update
	err := retry(ctx, editTimeout, func() error {
		var err error
		if compiled, err = updateSince(ctx, "compile-"+service, saved); err != nil {
			return err
		}
		synced, err = updateSince(ctx, service, compiled.Start)
		return err
	})
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

// compileError checks that the old process keeps serving while the source does not
// compile, that Tilt reports the error, and that both recover when the source does.
func compileError(ctx context.Context, source *source) error {
	if err := source.write(source.original + "\nthis is no Go\n"); err != nil {
		return err
	}
	if err := retry(ctx, editTimeout, func() error { return hasStatus(ctx, "compile-"+service, "error") }); err != nil {
		return err
	}
	for range 20 {
		if err := await(ctx, text, 0); err != nil {
			return fmt.Errorf("the old process does not respond after a compile error: %w", err)
		}
		time.Sleep(100 * time.Millisecond)
	}
	fmt.Printf("compile error: compile-%s is red, the old process responds\n", service)
	if err := source.restore(); err != nil {
		return err
	}
	if err := await(ctx, text+" nobody", editTimeout); err != nil {
		return err
	}
	if err := retry(ctx, editTimeout, func() error { return hasStatus(ctx, "compile-"+service, "ok") }); err != nil {
		return err
	}
	fmt.Printf("error removed: compile-%s is green, the original responds\n", service)
	return nil
}

// await polls the service until a response contains a text.
func await(ctx context.Context, want string, timeout time.Duration) error {
	return retry(ctx, timeout, func() error {
		// A connection through a port-forward stays open when the process ends and
		// then hangs. So each request has a new connection and a short timeout.
		ctx, cancel := context.WithTimeout(ctx, time.Second)
		defer cancel()
		request, err := http.NewRequestWithContext(ctx, http.MethodGet, url, http.NoBody)
		if err != nil {
			return err
		}
		request.Close = true
		response, err := http.DefaultClient.Do(request)
		if err != nil {
			return err
		}
		defer response.Body.Close()
		body, err := io.ReadAll(response.Body)
		if err == nil && !strings.Contains(string(body), want) {
			err = fmt.Errorf("the response of %s does not contain %q: %s", url, want, body)
		}
		return err
	})
}

// retry calls f until it succeeds or the timeout has passed. It calls f at least
// once.
func retry(ctx context.Context, timeout time.Duration, f func() error) error {
	deadline := time.Now().Add(timeout)
	for {
		err := f()
		switch {
		case err == nil:
			return nil
		case ctx.Err() != nil:
			return context.Cause(ctx)
		case time.Now().After(deadline):
			return fmt.Errorf("after %v: %w", timeout, err)
		}
		time.Sleep(pollInterval)
	}
}

// loadAverage returns the load average of the last minute.
func loadAverage() string {
	loads, _ := os.ReadFile("/proc/loadavg")
	first, _, _ := strings.Cut(string(loads), " ")
	return first
}
