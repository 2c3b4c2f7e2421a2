package postgrestest

import (
	"fmt"
	"net"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// Pool modes of PgBouncer (https://www.pgbouncer.org/config.html).
const (
	SessionPooling     = "session"
	TransactionPooling = "transaction"
)

// Pooler starts PgBouncer in front of a server until the test ends, and returns the URL
// of the same database through it. mode is its pool_mode; lines are more lines of its
// configuration. Without PgBouncer the test is skipped; with CI=true it fails.
func Pooler(t testing.TB, target, mode string, lines ...string) string {
	t.Helper()
	program, err := exec.LookPath("pgbouncer")
	if err != nil {
		program, err = exec.LookPath("/usr/sbin/pgbouncer")
	}
	if err != nil && os.Getenv("CI") != "true" {
		t.Skip("PgBouncer is not available: install it (Debian: apt-get install pgbouncer)")
	}
	if err != nil {
		t.Fatal(err)
	}
	behind, err := url.Parse(target)
	if err != nil {
		t.Fatal(err)
	}
	front, err := startPooler(t, program, behind, mode, lines)
	if err != nil {
		t.Fatal(err)
	}
	return front.String()
}

// startPooler starts the program as the child of a shell, as startServer does.
func startPooler(t testing.TB, program string, behind *url.URL, mode string, lines []string) (*url.URL, error) {
	dir, err := os.MkdirTemp("", "pooler")
	if err != nil {
		return nil, err
	}
	account, err := serverAccount(dir)
	if err != nil {
		return nil, err
	}
	port, err := FreePort()
	if err != nil {
		return nil, err
	}
	config := append([]string{
		"[databases]", fmt.Sprintf("* = host=%s port=%s user=%s", behind.Hostname(), behind.Port(), behind.User.Username()),
		"[pgbouncer]", "listen_addr = 127.0.0.1", "listen_port = " + port, "auth_type = any", "pool_mode = " + mode, "unix_socket_dir =",
	}, lines...)
	file := filepath.Join(dir, "pgbouncer.ini")
	if err := os.WriteFile(file, []byte(strings.Join(config, "\n")+"\n"), 0o644); err != nil { //nolint:gosec // no secret
		return nil, err
	}
	shell := exec.Command("/bin/sh", "-c", `"$@" >pooler.log 2>&1 & pooler=$!; cat; kill -KILL $pooler; wait $pooler; cd /; rm -rf "`+dir+`"`,
		"sh", program, file)
	shell.SysProcAttr, shell.Dir = account, dir
	pipe, err := shell.StdinPipe()
	if err != nil {
		return nil, err
	}
	if err := shell.Start(); err != nil {
		return nil, err
	}
	t.Cleanup(func() {
		_ = pipe.Close() // the shell then stops the pooler
		_ = shell.Wait() // fails with the status of the last command
	})
	front := *behind
	front.Host = net.JoinHostPort("127.0.0.1", port)
	return &front, awaitPort(front.Host)
}

// awaitPort waits until an address takes connections, for at most 30 s.
func awaitPort(address string) error {
	return await(func() error {
		conn, err := net.Dial("tcp", address)
		if err != nil {
			return err
		}
		return conn.Close()
	})
}
