// Package smoketest checks an installed release through its HTTP API. It is
// production code: `helm test` runs it as `users test` and `orders test`. It
// prints the result of each check, and at the end it cleans up what the checks
// created, even if a check failed.
package smoketest

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"
)

const (
	retryDelay     = 200 * time.Millisecond // between two attempts of a check in Await
	cleanupTimeout = 20 * time.Second       // of all cleanup functions together
)

// Options contains the settings of every smoke test.
type Options struct {
	RetryTimeout time.Duration `default:"10s" min:"0s" max:"5m" help:"Time for which the health checks are repeated until they pass; a NetworkPolicy admits a new pod about a second after its start."`
}

// Test is one run of a smoke test.
type Test struct {
	ctx          context.Context
	stdout       io.Writer
	retryTimeout time.Duration
	failed       []string // names of the checks that failed
	cleanups     []cleanup
}

// checkFunc returns nil if the check passes, and otherwise the reason.
type checkFunc = func(context.Context) error

// cleanup removes or deactivates a resource that a check has created.
type cleanup struct {
	name string // of the resource
	run  checkFunc
}

// Run calls checks and then the cleanup functions. It prints a line for each
// check and each cleanup to stdout. Its error names those that failed.
func Run(ctx context.Context, stdout io.Writer, options Options, checks func(*Test)) error {
	t := &Test{ctx: ctx, stdout: stdout, retryTimeout: options.RetryTimeout}
	checks(t)
	t.cleanUp()
	if len(t.failed) > 0 {
		return errors.New("the release does not work: " + strings.Join(t.failed, "; "))
	}
	return nil
}

// Check runs one check, prints its result and reports whether it passed.
func (t *Test) Check(name string, check checkFunc) bool {
	return t.runCheck(t.ctx, name, check)
}

// Await is like Check, but repeats a check that fails until it passes or
// Options.RetryTimeout is over.
func (t *Test) Await(name string, check checkFunc) bool {
	return t.runCheck(t.ctx, name, func(ctx context.Context) error {
		for deadline := time.Now().Add(t.retryTimeout); ; {
			err := check(ctx)
			if err == nil || ctx.Err() != nil || time.Now().After(deadline) {
				return err
			}
			time.Sleep(retryDelay)
		}
	})
}

// OnCleanup registers a function that removes or deactivates the named resource
// at the end of the test. The functions run in reverse order of registration,
// because later resources may depend on earlier ones.
func (t *Test) OnCleanup(name string, f func(context.Context) error) {
	t.cleanups = append(t.cleanups, cleanup{name, f})
}

// cleanUp runs the cleanup functions, also if the context of the test has ended.
func (t *Test) cleanUp() {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(t.ctx), cleanupTimeout)
	defer cancel()
	for i := len(t.cleanups) - 1; i >= 0; i-- {
		t.runCheck(ctx, "clean up "+t.cleanups[i].name, t.cleanups[i].run)
	}
}

// runCheck runs a check or a cleanup once and prints its result and duration.
func (t *Test) runCheck(ctx context.Context, name string, check checkFunc) bool {
	start := time.Now()
	err := check(ctx)
	duration := time.Since(start).Round(time.Millisecond)
	if err != nil {
		t.failed = append(t.failed, name)
		fmt.Fprintf(t.stdout, "FAIL %s (%s): %v\n", name, duration, err)
		return false
	}
	fmt.Fprintf(t.stdout, "ok   %s (%s)\n", name, duration)
	return true
}
