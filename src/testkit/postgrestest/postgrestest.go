// Package postgrestest gives tests empty databases on a real PostgreSQL server.
//
// The server is the one that TEST_DATABASE_URL names (as a role that may create
// databases), else one that is started from the programs of the machine, once
// for each test binary. Where neither can be had the test is skipped, and says
// so; with CI=true it fails.
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

// errNone is why there is no server to test on.
var errNone = errors.New("PostgreSQL is not available: install it (Debian: apt-get install postgresql), or name a server in TEST_DATABASE_URL")

// Every test of one binary shares a server, because starting one takes seconds.
var (
	server = sync.OnceValues(start)
	serial atomic.Int64
)

// URL returns the address of an empty database that is dropped when the test ends.
func URL(t testing.TB) string {
	t.Helper()
	address, err := server()
	if errors.Is(err, errNone) && os.Getenv("CI") != "true" {
		t.Skip(err)
	}
	if err != nil {
		t.Fatal(err)
	}
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
	own := *address
	own.Path = "/" + name
	return own.String()
}

func drop(t testing.TB, address, name string) {
	admin, err := sql.Open("pgx", address)
	if err == nil {
		_, err = admin.Exec("DROP DATABASE " + name + " WITH (FORCE)")
		err = errors.Join(err, admin.Close())
	}
	if err != nil {
		t.Errorf("drop the test's database: %v", err)
	}
}

func start() (*url.URL, error) {
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

// Programs returns the folder of PostgreSQL's server programs.
func Programs() (string, error) {
	if path, err := exec.LookPath("initdb"); err == nil {
		return filepath.Dir(path), nil
	}
	for _, pattern := range []string{"/usr/lib/postgresql/*/bin/initdb", "/opt/homebrew/opt/postgresql*/bin/initdb", "/usr/local/opt/postgresql*/bin/initdb"} {
		if found, _ := filepath.Glob(pattern); len(found) > 0 {
			return filepath.Dir(found[len(found)-1]), nil
		}
	}
	return "", errNone
}

// Start makes a database cluster in an empty folder and serves it on loopback
// until this process ends, however it ends; then the folder is removed. Options
// are passed to the server.
func Start(bin, dir string, options ...string) (*url.URL, error) {
	account, err := serverAccount(dir)
	if err != nil {
		return nil, err
	}
	data := filepath.Join(dir, "data")
	initdb := exec.Command(filepath.Join(bin, "initdb"), "--no-sync", "--auth=trust", "--username=postgres", "--encoding=UTF8", "--locale=C", "-D", data)
	initdb.SysProcAttr, initdb.Dir = account, dir
	if out, err := initdb.CombinedOutput(); err != nil {
		return nil, fmt.Errorf("initdb: %w: %s", err, out)
	}
	port, err := FreePort()
	if err != nil {
		return nil, err
	}
	options = append([]string{filepath.Join(bin, "postgres"), "-D", data, "-k", dir, "-p", port,
		"-c", "listen_addresses=127.0.0.1", "-c", "max_connections=200"}, options...)
	if err := serve(dir, account, options); err != nil {
		return nil, err
	}
	address := &url.URL{Scheme: "postgres", User: url.User("postgres"), Host: net.JoinHostPort("127.0.0.1", port), Path: "/postgres"}
	return address, await(address.String())
}

// serve runs the server below a shell that reads from this process, so that it
// learns of its end even by SIGKILL.
func serve(dir string, account *syscall.SysProcAttr, command []string) error {
	script := `"$@" >server.log 2>&1 & server=$!; cat; kill -QUIT $server; wait $server; cd /; rm -rf "` + dir + `"`
	shell := exec.Command("/bin/sh", append([]string{"-c", script, "sh"}, command...)...)
	shell.SysProcAttr, shell.Dir = account, dir
	if _, err := shell.StdinPipe(); err != nil {
		return err
	}
	if err := shell.Start(); err != nil {
		return err
	}
	go func() { _ = shell.Wait() }() // keeps the pipe open, and reachable
	return nil
}

func await(address string) error {
	pool, err := sql.Open("pgx", address)
	if err != nil {
		return err
	}
	defer pool.Close()
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	for err = pool.PingContext(ctx); err != nil && ctx.Err() == nil; err = pool.PingContext(ctx) {
		time.Sleep(20 * time.Millisecond)
	}
	return err
}

// FreePort returns a TCP port of loopback that nobody listens on at the moment,
// for a program that must be told its port.
func FreePort() (string, error) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", err
	}
	defer listener.Close()
	_, port, err := net.SplitHostPort(listener.Addr().String())
	return port, err
}
