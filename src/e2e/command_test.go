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

// root is the repository's folder, in which every command runs.
const root = "../.."

// longest is how long a command may take.
const longest = 4 * time.Minute

// result is what became of a command.
type result struct {
	text string // what it printed to stdout
	err  error  // with what it printed
}

func run(words ...string) result { return runOn("", words...) }

// runOn runs a command with a standard input.
func runOn(stdin string, words ...string) result {
	ctx, cancel := context.WithTimeout(context.Background(), longest)
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
	return result{stdout.String(), err}
}

func kubectl(args ...string) result { return run(append([]string{"kubectl"}, args...)...) }

// into decodes JSON that a command has printed.
func (r result) into(value any) error {
	if r.err != nil {
		return r.err
	}
	return json.Unmarshal([]byte(r.text), value)
}

// timed does something and prints a line that says whether it came about and
// how long it took.
func timed(who, what string, do func() error) error {
	began := time.Now()
	err := do()
	verdict := "ok  "
	if err != nil {
		verdict = "FAIL"
	}
	fmt.Printf("%s %6.1fs  %s: %s\n", verdict, time.Since(began).Seconds(), who, what)
	if err != nil {
		return fmt.Errorf("%s: %s: %w", who, what, err)
	}
	return nil
}

// check is one assertion, and the line that tells of it.
func check(t *testing.T, what string, assertion func() error) bool {
	t.Helper()
	if err := timed(t.Name(), what, assertion); err != nil {
		fmt.Println(err)
		t.Fail()
		return false
	}
	return true
}

// must is check, and ends the test where nothing after it would make sense.
func must(t *testing.T, what string, assertion func() error) {
	t.Helper()
	if !check(t, what, assertion) {
		t.FailNow()
	}
}

// eventually tries until the assertion holds, or the time is over.
func eventually(patience time.Duration, assertion func() error) error {
	for deadline := time.Now().Add(patience); ; time.Sleep(300 * time.Millisecond) {
		if err := assertion(); err == nil || time.Now().After(deadline) {
			return err
		}
	}
}

// throughout demands that the assertion holds for all of a time, and at least
// once.
func throughout(duration time.Duration, assertion func() error) error {
	for deadline := time.Now().Add(duration); ; time.Sleep(time.Second) {
		if err := assertion(); err != nil || time.Now().After(deadline) {
			return err
		}
	}
}

// inOrder does one after the other until one fails.
func inOrder(steps ...func() error) error {
	for _, step := range steps {
		if err := step(); err != nil {
			return err
		}
	}
	return nil
}

// atOnce does all at the same time.
func atOnce(steps ...func() error) error {
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

// fails demands that a command fails and that its output says so by a text.
func fails(r result, text string) error {
	switch {
	case r.err == nil:
		return fmt.Errorf("it passed: %s", r.text)
	case !strings.Contains(r.err.Error(), text):
		return fmt.Errorf("it does not say %q: %w", text, r.err)
	default:
		return nil
	}
}
