// Package cmd_test runs the built programs as a person would, with real
// signals.
package cmd_test

import (
	"bytes"
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

// patience bounds every wait for something that should happen soon.
const patience = 30 * time.Second

// bin is the folder of the built programs.
var bin string

func TestMain(m *testing.M) { os.Exit(build(m)) }

func build(m *testing.M) int {
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

// process is a program that runs.
type process struct {
	*exec.Cmd
	url    string
	log    *telemetrytest.Log
	stderr *bytes.Buffer
	ended  chan error
}

// launch runs a program with an environment, NAME=value, on a free port.
func launch(t *testing.T, program string, env ...string) *process {
	t.Helper()
	return start(t, exec.Command(filepath.Join(bin, program)), env...)
}

func start(t *testing.T, command *exec.Cmd, env ...string) *process {
	t.Helper()
	p := &process{Cmd: command, log: new(telemetrytest.Log), stderr: new(bytes.Buffer), ended: make(chan error, 1)}
	if p.Dir == "" {
		p.Dir = t.TempDir()
	}
	p.Env = append([]string{"PORT=0", "PATH=" + os.Getenv("PATH")}, env...)
	p.Stdout, p.Stderr = p.log, p.stderr
	require.NoError(t, p.Start())
	go func() { p.ended <- p.Wait() }()
	t.Cleanup(func() {
		_ = p.Process.Kill() // it has usually ended
		p.exit(t)
	})
	return p
}

// listening is launch, and waits until the program listens.
func listening(t *testing.T, program string, env ...string) *process {
	t.Helper()
	p := launch(t, program, env...)
	p.awaitLine(t, "listening")
	_, port, err := net.SplitHostPort(p.log.Lines(t, "listening")[0]["address"].(string))
	require.NoError(t, err)
	p.url = "http://127.0.0.1:" + port
	return p
}

// ready is listening, and waits until the program is ready.
func ready(t *testing.T, program string, env ...string) *process {
	t.Helper()
	p := listening(t, program, env...)
	p.awaitLine(t, "ready")
	return p
}

func (p *process) awaitLine(t *testing.T, message string) {
	t.Helper()
	require.Eventually(t, func() bool { return strings.Contains(p.log.String(), `"msg":"`+message+`"`) },
		patience, 5*time.Millisecond, "%s: %s %s", message, p.log, p.stderr)
}

func (p *process) signal(t *testing.T, s syscall.Signal) {
	t.Helper()
	require.NoError(t, p.Process.Signal(s))
}

// exit waits for the program's end and returns its exit code; -1 by a signal.
func (p *process) exit(t *testing.T) int {
	t.Helper()
	select {
	case err := <-p.ended:
		p.ended <- err
		return p.ProcessState.ExitCode()
	case <-time.After(patience):
		require.Fail(t, "the program did not end", "%s", p.log)
		return 0
	}
}

// get calls a path of the program.
func (p *process) get(t *testing.T, path string) (answer *http.Response, body map[string]any) {
	t.Helper()
	response, err := http.Get(p.url + path)
	require.NoError(t, err)
	defer response.Body.Close()
	text, err := io.ReadAll(response.Body)
	require.NoError(t, err)
	require.NoError(t, json.Unmarshal(text, &body), "%s", text)
	return response, body
}
