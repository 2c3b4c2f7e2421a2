package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"syscall"
	"time"

	"tandem/src/testkit/postgrestest"
)

// chartMemory is the memory limit of a container by the charts, in bytes.
const chartMemory = 256 << 20

// target is a running service.
type target struct {
	name    string
	address string
	read    string   // path of a small response
	reads   []string // paths of the ordinary GET requests
	create  string   // path of the ordinary POST requests
	body    func(n int64) string
	command *exec.Cmd
	exited  chan error
}

func usersTarget() target {
	return target{
		name: "users, SQLite", read: "/users/1", reads: []string{"/users/1", "/users"}, create: "/users",
		body: func(n int64) string {
			return fmt.Sprintf(`{"name": "Ada", "email": "ada%d.%d@example.com"}`, os.Getpid(), n)
		},
	}
}

func ordersTarget(store string) target {
	return target{
		name: "orders, " + store, read: "/orders/1", reads: []string{"/orders/1/details", "/orders?limit=5", "/orders/stats"}, create: "/orders",
		body: func(int64) string { return `{"user_id": 1, "product": "Laptop", "quantity": 1, "price": 899.99}` },
	}
}

// start starts a built program and waits until it is ready. It has the memory limit
// that it has in a container of the charts.
func (t target) start(ctx context.Context, dir, program string, env ...string) (target, error) {
	port, err := postgrestest.FreePort()
	if err != nil {
		return t, err
	}
	t.address, t.exited = net.JoinHostPort("127.0.0.1", port), make(chan error, 1)
	data, err := os.MkdirTemp(dir, "data")
	if err != nil {
		return t, err
	}
	t.command = exec.CommandContext(ctx, filepath.Join(dir, program))
	t.command.Env = append([]string{
		"PORT=" + port, "DATA_DIR=" + data, "SEED_DEMO_DATA=true", "LOG_LEVEL=warn", fmt.Sprint("GOMEMLIMIT=", chartMemory*9/10),
	}, env...)
	t.command.Stderr = os.Stderr
	if err := t.command.Start(); err != nil {
		return t, err
	}
	go func() { t.exited <- t.command.Wait() }()
	return t, t.awaitReady()
}

func (t target) awaitReady() error {
	for deadline := time.Now().Add(30 * time.Second); time.Now().Before(deadline); time.Sleep(10 * time.Millisecond) {
		response, err := http.Get("http://" + t.address + "/health?ready=1")
		if err == nil && response.Body.Close() == nil && response.StatusCode == http.StatusOK {
			return nil
		}
	}
	return errors.New(t.name + " is not ready after 30 s")
}

// stop sends SIGTERM and returns the time until the exit and its error.
func (t target) stop() (time.Duration, error) {
	began := time.Now()
	if err := t.command.Process.Signal(syscall.SIGTERM); err != nil {
		return 0, err
	}
	select {
	case err := <-t.exited:
		return time.Since(began), err
	case <-time.After(time.Minute):
		return time.Since(began), errors.Join(errors.New("no exit within a minute"), t.command.Process.Kill())
	}
}

// memory returns the resident memory in bytes, 0 where there is no Linux /proc.
func (t target) memory() int64 {
	status, _ := os.ReadFile(fmt.Sprintf("/proc/%d/status", t.command.Process.Pid))
	return 1024 * firstNumber(`VmRSS:\s+(\d+)`, status)
}

// files returns the number of open files, 0 where there is no Linux /proc. Those of a
// SQLite store do not count, because its pool opens more when it needs them.
func (t target) files() (count int) {
	folder := fmt.Sprintf("/proc/%d/fd", t.command.Process.Pid)
	files, _ := os.ReadDir(folder)
	for _, file := range files {
		target, err := os.Readlink(filepath.Join(folder, file.Name()))
		if err == nil && !strings.Contains(filepath.Base(target), ".db") {
			count++
		}
	}
	return count
}

// goroutines returns the number of goroutines.
func (t target) goroutines() int {
	text, _ := newLoad(t, 1).exchange(http.MethodGet, "/metrics", "", 0, true)
	return int(firstNumber(`(?m)^go_goroutines (\d+)`, text))
}

func firstNumber(pattern string, text []byte) int64 {
	if match := regexp.MustCompile(pattern).FindSubmatch(text); match != nil {
		n, _ := strconv.ParseInt(string(match[1]), 10, 64)
		return n
	}
	return 0
}
