package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"

	"tandem/src/testkit/postgrestest"
)

// process is a running service.
type process struct {
	address     string
	startupTime time.Duration // from exec to ready
	command     *exec.Cmd
	cancel      context.CancelFunc
	exited      chan struct{}
	stderr      bytes.Buffer
}

// startProcess starts a service and returns when it is ready. The service has
// no environment variables but env, PORT and GOGC, so that a run does not
// depend on the caller's environment. Its standard output goes to /dev/null:
// the benchmark includes the cost of writing log lines, but not that of
// reading them.
func startProcess(ctx context.Context, cpus cpuSet, command, env []string) (*process, error) {
	port, err := postgrestest.FreePort()
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithCancel(ctx)
	p := &process{address: net.JoinHostPort("127.0.0.1", port), cancel: cancel, exited: make(chan struct{})}
	p.command = cpus.command(ctx, command)
	p.command.Env = slices.Concat(env, []string{"PORT=" + port, "GOGC=400"})
	p.command.Stderr = &p.stderr
	begin := time.Now()
	if err := p.command.Start(); err != nil {
		cancel()
		return nil, err
	}
	go func() { _ = p.command.Wait(); close(p.exited) }()
	if err := p.awaitReady(ctx); err != nil {
		p.stop()
		return nil, fmt.Errorf("start %s: %w: %s", command, err, p.stderr.Bytes())
	}
	p.startupTime = time.Since(begin)
	return p, nil
}

// awaitReady polls the readiness endpoint every 2 ms, for at most 30 s.
func (p *process) awaitReady(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, 30*time.Second)
	defer cancel()
	ticker := time.NewTicker(2 * time.Millisecond)
	defer ticker.Stop()
	for checkHealth(ctx, "http://"+p.address+"/health?ready=1") != nil {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-p.exited:
			return errors.New("the process exited")
		case <-ticker.C:
		}
	}
	return nil
}

// stop sends SIGTERM, as Kubernetes does, and waits for the process to exit.
func (p *process) stop() {
	p.cancel()
	<-p.exited
}

// cpuTime returns the processor time that the process has used so far, with a
// resolution of 10 ms; 0 if the system has no Linux /proc. See proc(5): utime
// and stime are fields 14 and 15 of /proc/PID/stat, in units of 1/100 s.
func (p *process) cpuTime() time.Duration {
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", p.command.Process.Pid))
	if err != nil {
		return 0
	}
	// Field 2 is the name in parentheses and may contain spaces.
	fields := strings.Fields(string(stat[bytes.LastIndexByte(stat, ')')+1:]))
	if len(fields) < 13 {
		return 0
	}
	const tick = time.Second / 100
	user, _ := strconv.ParseInt(fields[11], 10, 64)
	system, _ := strconv.ParseInt(fields[12], 10, 64)
	return time.Duration(user+system) * tick
}

// memory returns the row of the process's resident memory in megabytes, if the
// system has a Linux /proc.
func (p *process) memory(what string, bound float64) row {
	text := readField(fmt.Sprintf("/proc/%d/status", p.command.Process.Pid), "VmRSS")
	kilobytes, err := strconv.ParseFloat(strings.TrimSuffix(text, " kB"), 64)
	if err != nil {
		return note(what, "unknown on this system")
	}
	return atMost(what, kilobytes*1024/1e6, bound, " MB", "")
}

// checkHealth sends a GET request on a new connection, as a kubelet does, and
// returns an error unless the response has status 200.
func checkHealth(ctx context.Context, url string) error {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return err
	}
	request.Close = true
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return err
	}
	defer response.Body.Close()
	if response.StatusCode != http.StatusOK {
		return fmt.Errorf("status %d", response.StatusCode)
	}
	return nil
}

// cpuSet is a list of processors in the syntax of taskset(1); empty means all.
type cpuSet string

// command returns a command that runs on the processors of the set. When ctx
// ends it gets SIGTERM, and SIGKILL 10 s later.
func (c cpuSet) command(ctx context.Context, command []string) *exec.Cmd {
	if c != "" {
		command = append([]string{"taskset", "--cpu-list", string(c)}, command...)
	}
	cmd := exec.CommandContext(ctx, command[0], command[1:]...)
	cmd.Cancel = func() error { return cmd.Process.Signal(syscall.SIGTERM) }
	cmd.WaitDelay = 10 * time.Second
	return cmd
}

// selfCommand returns the command that runs a subcommand of this program.
func selfCommand(name string) []string {
	path, err := os.Executable()
	if err != nil {
		path = os.Args[0]
	}
	return []string{path, name}
}
