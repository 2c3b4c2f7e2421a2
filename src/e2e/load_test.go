//go:build e2e

package e2e

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"time"
)

// generator is a pod from which load goes to orders, through its Service.
type generator struct {
	shell
	base string // URL of orders
}

// accounts are what the load program reports; it says what they mean.
type accounts struct {
	Sent, Orders, Failed, Degraded, Refused, Resent, Replayed int

	Why                          map[string]int
	Created                      []int64
	LastFailed, LastDegraded     int64
	P50, P99, OrdersP99, GoodP99 float64
	Seconds, Sending             float64
}

func (a accounts) String() string {
	text := fmt.Sprintf("%d requests, %d failed", a.Sent, a.Failed)
	if a.Failed > 0 {
		text += " (" + a.reasons() + ")"
	}
	if a.Degraded > 0 {
		text += fmt.Sprintf(", %d degraded", a.Degraded)
	}
	if a.Refused > 0 {
		text += fmt.Sprintf(", %d refused", a.Refused)
	}
	return text + fmt.Sprintf(", p99 %.0f ms", a.P99)
}

func (a accounts) reasons() (text string) {
	for why, count := range a.Why {
		if text != "" {
			text += ", "
		}
		text += fmt.Sprintf("%s %d", why, count)
	}
	return text
}

// bad is how many were not answered in full.
func (a accounts) bad() int { return a.Failed + a.Degraded + a.Refused }

// good is how many were answered in full, a second.
func (a accounts) good() float64 { return float64(a.Sent-a.bad()) / a.Seconds }

// requests is how many the rollouts send: E2E_REQUESTS, or as many as in CI.
func requests() int {
	if n, err := strconv.Atoi(os.Getenv("E2E_REQUESTS")); err == nil && n > 0 {
		return n
	}
	return 3000
}

// newGenerator compiles the load program into a pod of the namespace.
func (n namespace) newGenerator() (generator, error) {
	dir, err := os.MkdirTemp("", mark)
	if err != nil {
		return generator{}, err
	}
	defer os.RemoveAll(dir)
	program := filepath.Join(dir, "load")
	if err := run("bash", "-c", "cd src/e2e && GOOS=linux CGO_ENABLED=0 go build -o "+program+" ./load").err; err != nil {
		return generator{}, err
	}
	s, err := n.newShell("load", "")
	if err != nil {
		return generator{}, err
	}
	binary, err := os.ReadFile(program)
	if err != nil {
		return generator{}, err
	}
	put := runOn(string(binary), "kubectl", "--namespace="+string(n), "exec", "--stdin", s.pod, "--container="+s.container, "--",
		"sh", "-c", "cat > /tmp/load && chmod +x /tmp/load")
	return generator{shell: s, base: "http://orders." + string(n) + ".svc.cluster.local.:5002"}, put.err
}

// during puts load on orders while something happens, and at least until as
// many requests as its flags say were sent.
func (g generator) during(do func() error, flags ...string) (a accounts, err error) {
	end, err := g.start(append([]string{"-wait"}, flags...)...)
	if err != nil {
		return a, err
	}
	err = do()
	a, failed := end()
	return a, errors.Join(err, failed)
}

// send puts load on orders while nothing happens.
func (g generator) send(flags ...string) (accounts, error) {
	return g.during(nothing, flags...)
}

// start starts the load program and lets its load flow for a second; end closes
// its standard input, and waits for what it reports.
func (g generator) start(flags ...string) (end func() (accounts, error), err error) {
	ctx, cancel := context.WithTimeout(context.Background(), 15*time.Minute)
	command := exec.CommandContext(ctx, "kubectl", "--namespace="+string(g.namespace), "exec", "--stdin", g.pod, "--container="+g.container,
		"--", "sh", "-c", "exec /tmp/load -url="+g.base+" "+strings.Join(flags, " "))
	var stderr bytes.Buffer
	command.Stderr = &stderr
	stdin, failed := command.StdinPipe()
	stdout, err := command.StdoutPipe()
	if err := errors.Join(failed, err, command.Start()); err != nil {
		cancel()
		return nil, err
	}
	printed := bufio.NewReader(stdout)
	if line, _ := printed.ReadString('\n'); line != "flowing\n" {
		cancel()
		return nil, errors.Join(errors.New("the load does not flow: "+line+stderr.String()), command.Wait())
	}
	time.Sleep(time.Second)
	return func() (a accounts, err error) {
		defer cancel()
		err = errors.Join(stdin.Close(), json.NewDecoder(printed).Decode(&a))
		if failed := command.Wait(); failed != nil {
			err = fmt.Errorf("%w: %s", failed, stderr.String())
		}
		return a, err
	}, nil
}
