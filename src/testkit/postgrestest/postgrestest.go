// Package postgrestest provides tests with empty databases on a real PostgreSQL
// server.
//
// If TEST_DATABASE_URL is set, it names the server and a role that may create
// databases. Otherwise each test binary starts a server of its own from the
// installed programs. Without a server the test is skipped; with CI=true it
// fails.
package postgrestest

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"net"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	_ "github.com/jackc/pgx/v5/stdlib" // the driver
)

// errUnavailable is returned when there is no server to test on.
var errUnavailable = errors.New("PostgreSQL is not available: install it (Debian: apt-get install postgresql)," +
	" or name a server in TEST_DATABASE_URL")

// All tests of a test binary share one server, because a start takes seconds.
var (
	server  = sync.OnceValues(findServer)
	secured = sync.OnceValues(startSecured)
	serial  atomic.Int64
)

// URL returns the URL of a new, empty database. It is dropped when the test ends.
func URL(t testing.TB) string {
	t.Helper()
	address, err := server()
	requireServer(t, err)
	admin, err := sql.Open("pgx", address.String())
	if err != nil {
		t.Fatal(err)
	}
	defer admin.Close()
	name := fmt.Sprintf("test_%d_%d", os.Getpid(), serial.Add(1))
	if _, err := admin.Exec("CREATE DATABASE " + name); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { drop(t, address.String(), name) })
	created := *address
	created.Path = "/" + name
	return created.String()
}

// requireServer ends a test because of an error. Without a server to test on the test is
// skipped; with CI=true it fails.
func requireServer(t testing.TB, err error) {
	t.Helper()
	if errors.Is(err, errUnavailable) && os.Getenv("CI") != "true" {
		t.Skip(err)
	}
	if err != nil {
		t.Fatal(err)
	}
}

func drop(t testing.TB, address, name string) {
	admin, err := sql.Open("pgx", address)
	if err == nil {
		_, err = admin.Exec("DROP DATABASE " + name + " WITH (FORCE)")
		err = errors.Join(err, admin.Close())
	}
	if err != nil {
		t.Errorf("drop the database of the test: %v", err)
	}
}

// findServer returns the URL of a server, and starts one if necessary.
func findServer() (*url.URL, error) {
	if given := os.Getenv("TEST_DATABASE_URL"); given != "" {
		return url.Parse(given)
	}
	bin, err := Programs()
	if err != nil {
		return nil, err
	}
	dir, err := os.MkdirTemp("", "postgrestest")
	if err != nil {
		return nil, err
	}
	return Start(bin, dir, "-c", "fsync=off")
}

// Programs returns the folder that has the programs of the PostgreSQL server.
func Programs() (string, error) {
	if path, err := exec.LookPath("initdb"); err == nil {
		path, err = filepath.EvalSymlinks(path) // the other programs may have no link
		return filepath.Dir(path), err
	}
	for _, pattern := range []string{
		"/usr/lib/postgresql/*/bin/initdb", "/opt/homebrew/opt/postgresql*/bin/initdb", "/usr/local/opt/postgresql*/bin/initdb",
	} {
		if found, _ := filepath.Glob(pattern); len(found) > 0 {
			return filepath.Dir(found[len(found)-1]), nil
		}
	}
	return "", errUnavailable
}

// Start creates a database cluster in dir, which must be empty, and starts a
// server for it on the loopback interface with the given options. bin is the
// result of Programs. When this process ends, even by SIGKILL, the server stops
// and dir is removed.
func Start(bin, dir string, options ...string) (*url.URL, error) {
	account, err := serverAccount(dir)
	if err != nil {
		return nil, err
	}
	data := filepath.Join(dir, "data")
	if err := initialize(bin, dir, data, account); err != nil {
		return nil, err
	}
	port, err := FreePort()
	if err != nil {
		return nil, err
	}
	options = append([]string{filepath.Join(bin, "postgres"), "-D", data, "-k", dir, "-p", port,
		"-c", "listen_addresses=127.0.0.1", "-c", "max_connections=200"}, options...)
	if err := startServer(dir, account, options); err != nil {
		return nil, err
	}
	address := &url.URL{Scheme: "postgres", User: url.User("postgres"), Host: net.JoinHostPort("127.0.0.1", port), Path: "/postgres"}
	return address, awaitReady(address.String())
}

// initialize creates a database cluster in the folder data, which is below dir.
func initialize(bin, dir, data string, account *syscall.SysProcAttr) error {
	initdb := exec.Command(filepath.Join(bin, "initdb"),
		"--no-sync", "--auth=trust", "--username=postgres", "--encoding=UTF8", "--locale=C", "-D", data)
	initdb.SysProcAttr, initdb.Dir = account, dir
	if out, err := initdb.CombinedOutput(); err != nil {
		return fmt.Errorf("initdb: %w: %s", err, out)
	}
	return nil
}

// startServer starts the server as the child of a shell. The shell reads from a
// pipe of this process; the pipe closes when this process ends, and then the
// shell stops the server.
func startServer(dir string, account *syscall.SysProcAttr, command []string) error {
	script := `"$@" >server.log 2>&1 & server=$!; cat; kill -QUIT $server; wait $server; cd /; rm -rf "` + dir + `"`
	shell := exec.Command("/bin/sh", append([]string{"-c", script, "sh"}, command...)...)
	shell.SysProcAttr, shell.Dir = account, dir
	if _, err := shell.StdinPipe(); err != nil {
		return err
	}
	if err := shell.Start(); err != nil {
		return err
	}
	go func() { _ = shell.Wait() }() // keeps a reference to the pipe, so it stays open
	return nil
}

// awaitReady waits until the server accepts connections, for at most 30 s.
func awaitReady(address string) error {
	pool, err := sql.Open("pgx", address)
	if err != nil {
		return err
	}
	defer pool.Close()
	return await(func() error {
		ctx, cancel := context.WithTimeout(context.Background(), patience)
		defer cancel()
		return pool.PingContext(ctx)
	})
}

// patience is how long await waits.
const patience = 30 * time.Second

// await repeats a check until it returns nil, for at most the time patience, and returns
// its last error.
func await(check func() error) error {
	for deadline := time.Now().Add(patience); ; time.Sleep(20 * time.Millisecond) {
		if err := check(); err == nil || time.Now().After(deadline) {
			return err
		}
	}
}

// FreePort returns a free TCP port of the loopback interface, for a program that
// cannot choose one itself.
func FreePort() (string, error) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", err
	}
	defer listener.Close()
	_, port, err := net.SplitHostPort(listener.Addr().String())
	return port, err
}
