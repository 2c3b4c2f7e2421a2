package postgrestest

import (
	"database/sql"
	"errors"
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

// PgBouncer starts PgBouncer in front of the server of a database, with its defaults
// but for the pool mode and more settings such as max_client_conn=10, and returns the
// URL of the same database through it. It ends when the test does. Without PgBouncer
// the test is skipped; with CI=true it fails.
func PgBouncer(t testing.TB, databaseURL, poolMode string, settings ...string) string {
	t.Helper()
	program := pgBouncerProgram(t)
	server, err := url.Parse(databaseURL)
	port, portErr := FreePort()
	dir, dirErr := os.MkdirTemp("", "pgbouncer")
	if err := errors.Join(err, portErr, dirErr); err != nil {
		t.Fatal(err)
	}
	users := filepath.Join(dir, "users")
	write(t, users, fmt.Sprintf("%q \"\"\n", server.User.Username()))
	write(t, filepath.Join(dir, "pgbouncer.ini"), fmt.Sprintf(
		"[databases]\n* = host=%s port=%s\n[pgbouncer]\nlisten_addr = 127.0.0.1\nlisten_port = %s\nunix_socket_dir =\n"+
			"auth_type = trust\nauth_file = %s\npool_mode = %s\n%s\n",
		server.Hostname(), server.Port(), port, users, poolMode, strings.Join(settings, "\n")))
	startPgBouncer(t, program, dir)
	pooled := *server
	pooled.Host = net.JoinHostPort("127.0.0.1", port)
	poll(t, "PgBouncer accepts connections", func() error {
		pool, err := sql.Open("pgx", pooled.String())
		if err != nil {
			return err
		}
		defer pool.Close()
		return pool.Ping()
	})
	return pooled.String()
}

// pgBouncerProgram returns the path of the program.
func pgBouncerProgram(t testing.TB) string {
	t.Helper()
	program, err := exec.LookPath("pgbouncer")
	if err == nil {
		return program
	}
	const debian = "/usr/sbin/pgbouncer" // often not in PATH
	if _, err := os.Stat(debian); err == nil {
		return debian
	}
	const missing = "PgBouncer is not available: install it (Debian: apt-get install pgbouncer)"
	if os.Getenv("CI") == "true" {
		t.Fatal(missing)
	}
	t.Skip(missing)
	return ""
}

// startPgBouncer starts PgBouncer with the configuration in a folder, and removes the
// folder when it has ended.
func startPgBouncer(t testing.TB, program, dir string) {
	t.Helper()
	account, err := serverAccount(dir) // like PostgreSQL, it refuses to run as root
	if err != nil {
		t.Fatal(err)
	}
	command := exec.Command(program, "--quiet", filepath.Join(dir, "pgbouncer.ini"))
	command.SysProcAttr, command.Dir = account, dir
	if err := command.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = command.Process.Kill()
		_ = command.Wait()
		_ = os.RemoveAll(dir)
	})
}

// write writes a file that another account can read.
func write(t testing.TB, path, text string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(text), 0o644); err != nil { //nolint:gosec // not secret
		t.Fatal(err)
	}
}
