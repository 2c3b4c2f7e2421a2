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

// loadGenerator is a pod that sends load to the Service of orders.
type loadGenerator struct {
	shell
	ordersURL string
}

// loadReport is the JSON that the program load prints; its type report documents
// the fields.
type loadReport struct {
	Sent, Orders, Failed, Degraded, Refused, Resent, Replayed int

	FailureReasons               map[string]int
	RefusalReasons               map[string]int
	Created                      []int64
	LastFailed, LastDegraded     int64
	P50, P99, OrdersP99, GoodP99 float64
	Seconds, SendingSeconds      float64
}

func (l loadReport) String() string {
	text := fmt.Sprintf("%d requests, %d failed", l.Sent, l.Failed)
	if l.Failed > 0 {
		text += " (" + reasons(l.FailureReasons) + ")"
	}
	if l.Degraded > 0 {
		text += fmt.Sprintf(", %d degraded", l.Degraded)
	}
	if l.Refused > 0 {
		text += fmt.Sprintf(", %d refused (%s)", l.Refused, reasons(l.RefusalReasons))
	}
	return text + fmt.Sprintf(", p99 %.0f ms", l.P99)
}

func reasons(counts map[string]int) (text string) {
	for reason, count := range counts {
		if text != "" {
			text += ", "
		}
		text += fmt.Sprintf("%s %d", reason, count)
	}
	return text
}

// unsuccessful returns the number of requests that failed, or whose response was
// degraded or a refusal.
func (l loadReport) unsuccessful() int { return l.Failed + l.Degraded + l.Refused }

// expectNoneUnsuccessful returns an unmetError if any request was unsuccessful.
func (l loadReport) expectNoneUnsuccessful() error {
	return require(l.unsuccessful() == 0, "not all requests were successful: %v", l)
}

// expectFewUnsuccessful returns an unmetError if one percent or more of the
// requests were unsuccessful.
func (l loadReport) expectFewUnsuccessful() error {
	return require(l.unsuccessful()*100 < l.Sent, "one percent of the requests or more were not successful: %v", l)
}

// goodput returns the number of successful requests per second.
func (l loadReport) goodput() float64 { return float64(l.Sent-l.unsuccessful()) / l.Seconds }

// rolloutRequests returns the minimum number of requests during rollouts:
// E2E_REQUESTS, or the number that CI uses.
func rolloutRequests() int {
	if n, err := strconv.Atoi(os.Getenv("E2E_REQUESTS")); err == nil && n > 0 {
		return n
	}
	return 3000
}

// newLoadGenerator starts a pod and copies the program load into it.
func (n namespace) newLoadGenerator() (loadGenerator, error) {
	dir, err := os.MkdirTemp("", runLabel)
	if err != nil {
		return loadGenerator{}, err
	}
	defer os.RemoveAll(dir)
	program := filepath.Join(dir, "load")
	if err := run("bash", "-c", "cd src/e2e && GOOS=linux CGO_ENABLED=0 go build -o "+program+" ./load").err; err != nil {
		return loadGenerator{}, err
	}
	s, err := n.newShell("load", "")
	if err != nil {
		return loadGenerator{}, err
	}
	binary, err := os.ReadFile(program)
	if err != nil {
		return loadGenerator{}, err
	}
	copied := runWithInput(string(binary), "kubectl", "--namespace="+string(n), "exec", "--stdin", s.pod, "--container="+s.container, "--",
		"sh", "-c", "cat > /tmp/load && chmod +x /tmp/load")
	return loadGenerator{shell: s, ordersURL: "http://orders." + string(n) + ".svc.cluster.local.:5002"}, copied.err
}

// during sends load to orders while do runs, and at least the number of requests
// in the flags.
func (g loadGenerator) during(do func() error, flags ...string) (report loadReport, err error) {
	end, err := g.start(append([]string{"-wait"}, flags...)...)
	if err != nil {
		return report, err
	}
	err = do()
	report, endErr := end()
	return report, errors.Join(err, endErr)
}

// send sends the number of requests in the flags to orders.
func (g loadGenerator) send(flags ...string) (loadReport, error) {
	return g.during(noop, flags...)
}

// start starts the program load and waits until it has sent requests for a second.
// The returned function closes the program's standard input and waits for its
// report.
func (g loadGenerator) start(flags ...string) (end func() (loadReport, error), err error) {
	ctx, cancel := context.WithTimeout(context.Background(), 15*time.Minute)
	command := exec.CommandContext(ctx, "kubectl", "--namespace="+string(g.namespace), "exec", "--stdin", g.pod, "--container="+g.container,
		"--", "sh", "-c", "exec /tmp/load -url="+g.ordersURL+" "+strings.Join(flags, " "))
	var stderr bytes.Buffer
	command.Stderr = &stderr
	stdin, stdinErr := command.StdinPipe()
	stdout, err := command.StdoutPipe()
	if err := errors.Join(stdinErr, err, command.Start()); err != nil {
		cancel()
		return nil, err
	}
	output := bufio.NewReader(stdout)
	if line, _ := output.ReadString('\n'); line != "started\n" {
		cancel()
		return nil, errors.Join(errors.New("the load did not start: "+line+stderr.String()), command.Wait())
	}
	time.Sleep(time.Second)
	return func() (report loadReport, err error) {
		defer cancel()
		err = errors.Join(stdin.Close(), json.NewDecoder(output).Decode(&report))
		if failed := command.Wait(); failed != nil {
			err = fmt.Errorf("%w: %s", failed, stderr.String())
		}
		return report, err
	}, nil
}
