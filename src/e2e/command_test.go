//go:build e2e

package e2e

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os/exec"
	"strings"
	"testing"
	"time"
)

// root is the repository's folder. Every command runs in it.
const root = "../.."

// commandTimeout is how long a command may take.
const commandTimeout = 4 * time.Minute

// commandResult is the output of a command.
type commandResult struct {
	stdout string
	err    error // contains stdout and stderr
}

// run runs a command without standard input.
func run(words ...string) commandResult { return runWithInput("", words...) }

// runWithInput runs a command with a text as its standard input.
func runWithInput(stdin string, words ...string) commandResult {
	ctx, cancel := context.WithTimeout(context.Background(), commandTimeout)
	defer cancel()
	command := exec.CommandContext(ctx, words[0], words[1:]...)
	command.Dir = root
	command.Stdin = strings.NewReader(stdin)
	var stdout, stderr bytes.Buffer
	command.Stdout, command.Stderr = &stdout, &stderr
	err := command.Run()
	if err != nil {
		err = fmt.Errorf("%s: %w\n%s%s", strings.Join(words, " "), err, stdout.String(), stderr.String())
	}
	return commandResult{stdout.String(), err}
}

func kubectl(args ...string) commandResult { return run(append([]string{"kubectl"}, args...)...) }

// decode decodes the JSON that a command printed.
func (r commandResult) decode(value any) error {
	if r.err != nil {
		return r.err
	}
	return json.Unmarshal([]byte(r.stdout), value)
}

// logStep runs a step and prints one line with its result and its duration.
func logStep(test, description string, step func() error) error {
	started := time.Now()
	err := step()
	verdict := "ok  "
	if err != nil {
		verdict = "FAIL"
	}
	fmt.Printf("%s %6.1fs  %s: %s\n", verdict, time.Since(started).Seconds(), test, description)
	if err != nil {
		return fmt.Errorf("%s: %s: %w", test, description, err)
	}
	return nil
}

// logDetail prints a line below that of a step.
func logDetail(format string, args ...any) {
	fmt.Printf("              "+format+"\n", args...)
}

// check runs an assertion and prints its result. It reports whether the assertion
// holds; if not, the test fails but continues.
func check(t *testing.T, description string, assertion func() error) bool {
	t.Helper()
	if err := logStep(t.Name(), description, assertion); err != nil {
		t.Error(err)
		return false
	}
	return true
}

// must is check for a step that the rest of the test needs: it ends the test if
// the assertion fails.
func must(t *testing.T, description string, assertion func() error) {
	t.Helper()
	if !check(t, description, assertion) {
		t.FailNow()
	}
}

// eventually repeats an assertion until it holds or the timeout has passed, and
// returns its last error.
func eventually(timeout time.Duration, assertion func() error) error {
	for deadline := time.Now().Add(timeout); ; time.Sleep(300 * time.Millisecond) {
		if err := assertion(); err == nil || time.Now().After(deadline) {
			return err
		}
	}
}

// consistently repeats an assertion, at least once, and returns an error as soon
// as it does not hold within the duration.
func consistently(duration time.Duration, assertion func() error) error {
	for deadline := time.Now().Add(duration); ; time.Sleep(time.Second) {
		if err := assertion(); err != nil || time.Now().After(deadline) {
			return err
		}
	}
}

// inOrder runs steps one after the other and stops at the first error.
func inOrder(steps ...func() error) error {
	for _, step := range steps {
		if err := step(); err != nil {
			return err
		}
	}
	return nil
}

// concurrently runs steps at the same time, waits for all and joins their errors.
func concurrently(steps ...func() error) error {
	errs := make(chan error, len(steps))
	for _, step := range steps {
		go func() { errs <- step() }()
	}
	var failed error
	for range steps {
		failed = errors.Join(failed, <-errs)
	}
	return failed
}

// expectFailure returns an error unless a command failed with an output that
// contains a text.
func expectFailure(r commandResult, text string) error {
	switch {
	case r.err == nil:
		return fmt.Errorf("the command succeeded: %s", r.stdout)
	case !strings.Contains(r.err.Error(), text):
		return fmt.Errorf("the output does not contain %q: %w", text, r.err)
	default:
		return nil
	}
}
