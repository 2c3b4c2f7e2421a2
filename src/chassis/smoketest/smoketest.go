// Package smoketest checks an installed release from outside, by calls alone:
// what `helm test` runs. It prints how each check went, and puts away again what
// the checks made, whatever becomes of the later ones.
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
	// pause lies between two tries of a check that is awaited.
	pause = 200 * time.Millisecond
	// tidying bounds how long putting away may take altogether.
	tidying = 20 * time.Second
)

// Options are the settings of every release test.
type Options struct {
	Patience time.Duration `default:"10s" min:"0s" max:"5m" help:"Time that the first answer may take: a NetworkPolicy lets a new pod through about a second after its start."`
}

// Test is one run of a release's checks.
type Test struct {
	ctx      context.Context
	stdout   io.Writer
	patience time.Duration
	failed   []string
	made     []made
}

// check returns nil where the release does what it should, else why not.
type check = func(context.Context) error

// made is something that a check has made, and how it is put away again.
type made struct {
	what    string
	putAway check
}

// Run runs checks. Its error names those that failed.
func Run(ctx context.Context, stdout io.Writer, options Options, checks func(*Test)) error {
	t := &Test{ctx: ctx, stdout: stdout, patience: options.Patience}
	checks(t)
	t.putAway()
	if len(t.failed) > 0 {
		return errors.New("the release does not work: " + strings.Join(t.failed, "; "))
	}
	return nil
}

// Check runs one check, prints how it went, and reports whether it passed.
func (t *Test) Check(what string, check check) bool {
	return t.check(t.ctx, what, check)
}

// Await is Check with patience: it tries again until the check passes.
func (t *Test) Await(what string, check check) bool {
	return t.check(t.ctx, what, func(ctx context.Context) error {
		for deadline := time.Now().Add(t.patience); ; {
			err := check(ctx)
			if err == nil || ctx.Err() != nil || time.Now().After(deadline) {
				return err
			}
			time.Sleep(pause)
		}
	})
}

// Made registers what a check has made, to be put away at the end.
func (t *Test) Made(what string, putAway check) { t.made = append(t.made, made{what, putAway}) }

// putAway puts away the newest first, as it may stand on what is older, and
// also when the test was asked to end.
func (t *Test) putAway() {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(t.ctx), tidying)
	defer cancel()
	for i := len(t.made) - 1; i >= 0; i-- {
		t.check(ctx, "put away "+t.made[i].what, t.made[i].putAway)
	}
}

func (t *Test) check(ctx context.Context, what string, check check) bool {
	began := time.Now()
	err := check(ctx)
	took := time.Since(began).Round(time.Millisecond)
	if err != nil {
		t.failed = append(t.failed, what)
		fmt.Fprintf(t.stdout, "FAIL %s (%s): %v\n", what, took, err)
		return false
	}
	fmt.Fprintf(t.stdout, "ok   %s (%s)\n", what, took)
	return true
}
