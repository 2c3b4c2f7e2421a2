// Package cmd_test builds the programs and runs them as processes, with signals.
package cmd_test

import (
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"tandem/src/testkit/telemetrytest"
)

// patience is how long a test waits for an expected event.
const patience = 30 * time.Second

// bin is the folder of the built programs. TestMain sets it.
var bin string

func TestMain(m *testing.M) { os.Exit(buildAndRun(m)) }

// buildAndRun builds the programs, runs the tests and returns their exit code.
func buildAndRun(m *testing.M) int {
	dir, err := os.MkdirTemp("", "tandem-bin")
	if err != nil {
		panic(err)
	}
	defer os.RemoveAll(dir)
	bin = dir
	if out, err := exec.Command("go", "build", "-o", dir+"/", "./users", "./orders", "./tandem").CombinedOutput(); err != nil {
		panic(fmt.Sprintf("build the programs: %s", out))
	}
	return m.Run()
}

// process is a running program.
type process struct {
	*exec.Cmd
	url    string             // base URL of its service
	log    *telemetrytest.Log // its stdout
	stderr *telemetrytest.Log
	exited chan error // receives the error of Wait
}

// launch starts a program, a service on a free port. env are variables,
// NAME=value.
func launch(t *testing.T, program string, env ...string) *process {
	t.Helper()
	if filepath.Base(program) != "tandem" { // which takes no PORT
		env = append([]string{"PORT=0"}, env...)
	}
	return start(t, exec.Command(filepath.Join(bin, program)), env...)
}

// start starts a command and kills its process at the end of the test.
func start(t *testing.T, command *exec.Cmd, env ...string) *process {
	t.Helper()
	p := &process{Cmd: command, log: new(telemetrytest.Log), stderr: new(telemetrytest.Log), exited: make(chan error, 1)}
	if p.Dir == "" {
		p.Dir = t.TempDir()
	}
	p.Env = append([]string{"PATH=" + os.Getenv("PATH")}, env...)
	p.Stdout, p.Stderr = p.log, p.stderr
	require.NoError(t, p.Start())
	go func() { p.exited <- p.Wait() }()
	t.Cleanup(func() {
		_ = p.Process.Kill() // fails if the process has exited
		p.exit(t)
	})
	return p
}

// startListening starts a program and waits until it listens.
func startListening(t *testing.T, program string, env ...string) *process {
	t.Helper()
	p := launch(t, program, env...)
	p.awaitLine(t, "listening")
	_, port, err := net.SplitHostPort(p.log.Lines(t, "listening")[0]["address"].(string))
	require.NoError(t, err)
	p.url = "http://127.0.0.1:" + port
	return p
}

// startReady starts a program and waits until it is ready.
func startReady(t *testing.T, program string, env ...string) *process {
	t.Helper()
	p := startListening(t, program, env...)
	p.awaitLine(t, "ready")
	return p
}

// awaitLine waits for a log line with that message.
func (p *process) awaitLine(t *testing.T, message string) {
	t.Helper()
	require.Eventually(t, func() bool { return strings.Contains(p.log.String(), `"msg":"`+message+`"`) },
		patience, 5*time.Millisecond, "%s: %s %s", message, p.log, p.stderr)
}

func (p *process) signal(t *testing.T, s syscall.Signal) {
	t.Helper()
	require.NoError(t, p.Process.Signal(s))
}

// exit waits until the process has exited and returns its exit code, or -1 if a
// signal killed it.
func (p *process) exit(t *testing.T) int {
	t.Helper()
	select {
	case err := <-p.exited:
		p.exited <- err
		return p.ProcessState.ExitCode()
	case <-time.After(patience):
		require.Fail(t, "the program did not exit", "%s", p.log)
		return 0
	}
}

// get sends a GET request to the program and returns the response and its body,
// a JSON object.
func (p *process) get(t *testing.T, path string) (response *http.Response, body map[string]any) {
	t.Helper()
	response, err := http.Get(p.url + path)
	require.NoError(t, err)
	defer response.Body.Close()
	text, err := io.ReadAll(response.Body)
	require.NoError(t, err)
	require.NoError(t, json.Unmarshal(text, &body), "%s", text)
	return response, body
}
