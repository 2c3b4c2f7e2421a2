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
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

// Pair is a primary and a standby that replicates it by streaming.
type Pair struct {
	Primary, Standby *Server
}

// NewPair starts a primary and a standby, and stops them when the test ends. With
// synchronous, each commit of the primary waits until the standby has it on disk.
func NewPair(t testing.TB, synchronous bool) *Pair {
	t.Helper()
	bin, err := Programs()
	requireServer(t, err)
	primary := startMember(t, bin, nil)
	standby := startMember(t, bin, primary)
	if synchronous {
		primary.Exec(t, "ALTER SYSTEM SET synchronous_standby_names = '*'")
		primary.Exec(t, "SELECT pg_reload_conf()")
		err := await(func() error {
			var state string
			err := primary.query(&state, "SELECT sync_state FROM pg_stat_replication")
			if err == nil && state != "sync" {
				err = errors.New(state)
			}
			return err
		})
		if err != nil {
			t.Fatalf("the standby is not synchronous: %v", err)
		}
	}
	return &Pair{Primary: primary, Standby: standby}
}

// Server is a PostgreSQL server of a test.
type Server struct {
	Host string // host:port
	bin  string
	dir  string
	data string

	account *syscall.SysProcAttr // that the programs run as
}

// startMember starts a server with a database cluster of its own, or with a copy of
// that of its primary, as its standby.
func startMember(t testing.TB, bin string, primary *Server) *Server {
	t.Helper()
	dir, err := os.MkdirTemp("", "postgrestest")
	if err != nil {
		t.Fatal(err)
	}
	s := &Server{bin: bin, dir: dir, data: filepath.Join(dir, "data")}
	if s.account, err = serverAccount(dir); err != nil {
		t.Fatal(err)
	}
	if primary == nil {
		if err := initialize(bin, dir, s.data, s.account); err != nil {
			t.Fatal(err)
		}
	} else {
		host, port, _ := strings.Cut(primary.Host, ":")
		s.run(t, "pg_basebackup", "--no-sync", "--checkpoint=fast", "--write-recovery-conf",
			"-h", host, "-p", port, "-U", "postgres", "-D", s.data)
	}
	port, err := FreePort()
	if err != nil {
		t.Fatal(err)
	}
	s.Host = net.JoinHostPort("127.0.0.1", port)
	s.Start(t)
	t.Cleanup(func() {
		s.Thaw(t)
		_ = s.control("stop", "-m", "immediate").Run() // fails if the test has stopped it
		_ = os.RemoveAll(dir)
	})
	return s
}

// Start starts the server, for the first time or after Kill.
func (s *Server) Start(t testing.TB) {
	t.Helper()
	_, port, _ := strings.Cut(s.Host, ":")
	options := fmt.Sprintf("-k %s -p %s -c listen_addresses=127.0.0.1 -c fsync=off -c max_connections=100 -c wal_level=replica", s.dir, port)
	start := s.control("start", "-o", options, "-l", filepath.Join(s.dir, "server.log"))
	if out, err := start.CombinedOutput(); err != nil {
		t.Fatalf("pg_ctl start: %v: %s", err, out)
	}
}

// URL returns the URL of a database of the server.
func (s *Server) URL(database string) string {
	return (&url.URL{Scheme: "postgres", User: url.User("postgres"), Host: s.Host, Path: "/" + database}).String()
}

// Kill stops the server at once, as a crash does.
func (s *Server) Kill(t testing.TB) {
	t.Helper()
	if out, err := s.control("stop", "-m", "immediate").CombinedOutput(); err != nil {
		t.Fatalf("pg_ctl stop: %v: %s", err, out)
	}
}

// Promote makes a standby the primary.
func (s *Server) Promote(t testing.TB) {
	t.Helper()
	if out, err := s.control("promote").CombinedOutput(); err != nil {
		t.Fatalf("pg_ctl promote: %v: %s", err, out)
	}
}

// Freeze stops all processes of the server, which then takes connections and never
// responds. Thaw continues them.
func (s *Server) Freeze(t testing.TB) { s.signal(t, syscall.SIGSTOP) }

// Thaw continues the processes of a frozen server.
func (s *Server) Thaw(t testing.TB) { s.signal(t, syscall.SIGCONT) }

// signal sends a signal to the server's processes, if it runs. The first process of
// the server is not its group's leader, so each child is found by its parent.
func (s *Server) signal(t testing.TB, signal syscall.Signal) {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(s.data, "postmaster.pid"))
	if err != nil {
		return // it does not run
	}
	pid, err := strconv.Atoi(strings.SplitN(string(text), "\n", 2)[0])
	if err != nil {
		t.Fatal(err)
	}
	children, _ := os.ReadFile(fmt.Sprintf("/proc/%d/task/%d/children", pid, pid))
	_ = syscall.Kill(pid, signal)
	for _, child := range strings.Fields(string(children)) {
		if id, err := strconv.Atoi(child); err == nil {
			_ = syscall.Kill(id, signal)
		}
	}
}

// Exec runs a statement in the database postgres, or in the one that is named.
func (s *Server) Exec(t testing.TB, statement string, database ...string) {
	t.Helper()
	pool, err := sql.Open("pgx", s.URL(append(database, "postgres")[0]))
	if err != nil {
		t.Fatal(err)
	}
	defer pool.Close()
	if _, err := pool.Exec(statement); err != nil {
		t.Fatalf("%s: %v", statement, err)
	}
}

// query scans the only value of a query's only row.
func (s *Server) query(value any, statement string) error {
	pool, err := sql.Open("pgx", s.URL("postgres"))
	if err != nil {
		return err
	}
	defer pool.Close()
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	return pool.QueryRowContext(ctx, statement).Scan(value)
}

// control returns the command pg_ctl, which waits until it has done its work.
func (s *Server) control(args ...string) *exec.Cmd {
	return s.command("pg_ctl", append([]string{"-D", s.data, "--wait", "--silent"}, args...)...)
}

func (s *Server) command(program string, args ...string) *exec.Cmd {
	command := exec.Command(filepath.Join(s.bin, program), args...)
	command.Dir = s.dir
	command.SysProcAttr = s.account
	return command
}

func (s *Server) run(t testing.TB, program string, args ...string) {
	t.Helper()
	if out, err := s.command(program, args...).CombinedOutput(); err != nil {
		t.Fatalf("%s: %v: %s", program, err, out)
	}
}
