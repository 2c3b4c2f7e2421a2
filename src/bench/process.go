package main

import (
	"bytes"
	"context"
	"database/sql"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"syscall"
	"time"

	"tandem/src/testkit/postgrestest"
)

// lab is where benchmarks run: a folder, the built services, and a PostgreSQL
// server once one has been asked for.
type lab struct {
	options
	dir             string
	collector       *collector
	serial          int
	server          *url.URL // of PostgreSQL
	postgresVersion string
}

// newLab builds the services as they are released.
func newLab(ctx context.Context, o options) (*lab, error) {
	dir, err := os.MkdirTemp(diskDir(), "bench")
	if err != nil {
		return nil, err
	}
	l := &lab{options: o, dir: dir, collector: newCollector()}
	// PostgreSQL runs as another account, below this folder.
	err = os.Chmod(dir, 0o711)
	if err == nil {
		build := exec.CommandContext(ctx, "go", "build", "-o", dir, "tandem/src/cmd/users", "tandem/src/cmd/orders")
		build.Stderr = os.Stderr
		err = build.Run()
	}
	if err != nil {
		l.close()
		return nil, fmt.Errorf("build the services: %w", err)
	}
	return l, nil
}

// close removes everything. PostgreSQL ends with this process, and removes what
// it may write meanwhile.
func (l *lab) close() {
	l.collector.Close()
	_ = os.RemoveAll(l.dir)
}

// diskDir is a folder on a disk, where a commit costs what it costs: what is in
// /var/tmp outlives a reboot by the Filesystem Hierarchy Standard, while /tmp
// is often in memory. TMPDIR wins where it is set.
func diskDir() string {
	if info, err := os.Stat("/var/tmp"); err == nil && info.IsDir() && os.Getenv("TMPDIR") == "" {
		return "/var/tmp"
	}
	return os.TempDir()
}

// sqlite returns a new place for SQLite files.
func (l *lab) sqlite(context.Context) (place, error) {
	dir := filepath.Join(l.dir, l.name())
	return place{dir: dir}, os.Mkdir(dir, 0o700)
}

// errNoPostgres is why a benchmark on PostgreSQL has nothing to report.
var errNoPostgres = errors.New("PostgreSQL is not available")

// postgres returns a new, empty database on a server that is durable, as
// PostgreSQL is by default.
func (l *lab) postgres(ctx context.Context) (place, error) {
	if l.server == nil {
		if err := l.startPostgres(ctx); err != nil {
			return place{}, err
		}
	}
	admin, err := sql.Open("pgx", l.server.String())
	if err != nil {
		return place{}, err
	}
	defer admin.Close()
	own := *l.server
	own.Path = "/" + l.name()
	if _, err := admin.ExecContext(ctx, "CREATE DATABASE "+own.Path[1:]); err != nil {
		return place{}, err
	}
	return place{address: &own}, admin.QueryRowContext(ctx, "SHOW server_version").Scan(&l.postgresVersion)
}

func (l *lab) startPostgres(context.Context) error {
	bin, err := postgrestest.Programs()
	if err != nil {
		l.postgresVersion = "not available"
		return errNoPostgres
	}
	dir := filepath.Join(l.dir, "postgres")
	if err := os.Mkdir(dir, 0o700); err != nil {
		return err
	}
	l.server, err = postgrestest.Start(bin, dir)
	return err
}

func (l *lab) name() string {
	l.serial++
	return fmt.Sprintf("bench%d", l.serial)
}

// program is how the two services are started, and on which data.
type program struct {
	users, orders     []string // commands
	usersAt, ordersAt place
	env               []string
	on                processors
	profiles          string // beginning of the names of profiles to write
}

// released are the services as they are built, with all telemetry on.
func (l *lab) released(usersAt, ordersAt place) program {
	return program{
		users: []string{filepath.Join(l.dir, "users")}, orders: []string{filepath.Join(l.dir, "orders")},
		usersAt: usersAt, ordersAt: ordersAt, env: l.collector.env(),
	}
}

// self is the command that starts a part of this program.
func self(part string) []string {
	path, err := os.Executable()
	if err != nil {
		path = os.Args[0]
	}
	return []string{path, part}
}

// pair is both services, running.
type pair struct {
	users, orders *process
	calls         int // of sides that are counted
}

// start starts both services; they end with the context, or by stop.
func (p program) start(ctx context.Context) (*pair, error) {
	users, err := p.startUsers(ctx)
	if err != nil {
		return nil, err
	}
	orders, err := p.startOrders(ctx, users)
	if err != nil {
		users.stop()
		return nil, err
	}
	return &pair{users: users, orders: orders}, nil
}

func (p program) startUsers(ctx context.Context) (*process, error) {
	return launch(ctx, p.on, p.users, p.environment("users", p.usersAt.env()))
}

func (p program) startOrders(ctx context.Context, users *process) (*process, error) {
	return launch(ctx, p.on, p.orders, p.environment("orders", p.ordersAt.env(), "USERS_URL=http://"+users.address))
}

func (p program) environment(service string, own ...string) []string {
	if p.profiles != "" {
		own = append(own, "PROFILE="+p.profiles+"-"+service)
	}
	return slices.Concat(p.env, own)
}

func (p *pair) stop() {
	p.orders.stop()
	p.users.stop()
}

// counted is the side, its calls counted.
func (p *pair) counted(s side) side {
	return func(ctx context.Context) (result, error) {
		r, err := s(ctx)
		p.calls += r.sent()
		return r, err
	}
}

// cost is the processor time of a counted call in microseconds, once the
// services have ended.
func (p *pair) cost() float64 {
	var spent time.Duration
	for _, one := range []*process{p.users, p.orders} {
		spent += one.command.ProcessState.UserTime() + one.command.ProcessState.SystemTime()
	}
	return float64(spent.Microseconds()) / float64(p.calls)
}

// process is one service, running.
type process struct {
	address string
	took    time.Duration // from its start until it was ready
	command *exec.Cmd
	cancel  context.CancelFunc
	ended   chan struct{}
	said    bytes.Buffer // on standard error
}

// launch starts a service and returns when it is ready. It sees no environment
// but this, so that a run is the same everywhere. What it logs goes to
// /dev/null: it has been formatted and written then, and where lines go from
// there is not the service's affair.
func launch(ctx context.Context, on processors, command, env []string) (*process, error) {
	port, err := postgrestest.FreePort()
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithCancel(ctx)
	p := &process{address: net.JoinHostPort("127.0.0.1", port), cancel: cancel, ended: make(chan struct{})}
	p.command = on.command(ctx, command)
	p.command.Env = slices.Concat(env, []string{"PORT=" + port, "GOGC=400"})
	p.command.Stderr = &p.said
	begin := time.Now()
	if err := p.command.Start(); err != nil {
		cancel()
		return nil, err
	}
	go func() { _ = p.command.Wait(); close(p.ended) }()
	if err := p.awaitReady(ctx); err != nil {
		p.stop()
		return nil, fmt.Errorf("start %s: %w: %s", command, err, p.said.Bytes())
	}
	p.took = time.Since(begin)
	return p, nil
}

// awaitReady asks every 2 ms.
func (p *process) awaitReady(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, 30*time.Second)
	defer cancel()
	ticker := time.NewTicker(2 * time.Millisecond)
	defer ticker.Stop()
	for healthy(ctx, "http://"+p.address+"/health?ready=1") != nil {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-p.ended:
			return errors.New("it ended")
		case <-ticker.C:
		}
	}
	return nil
}

// stop ends the process as Kubernetes would, and waits for its end.
func (p *process) stop() {
	p.cancel()
	<-p.ended
}

// healthy asks as a kubelet does, on a connection of its own.
func healthy(ctx context.Context, address string) error {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, address, nil)
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
		return fmt.Errorf("answered %d", response.StatusCode)
	}
	return nil
}

// processors is a list as taskset takes it; empty means all.
type processors string

// command is asked to end by SIGTERM when the context ends, and killed if it
// does not.
func (on processors) command(ctx context.Context, command []string) *exec.Cmd {
	if on != "" {
		command = append([]string{"taskset", "--cpu-list", string(on)}, command...)
	}
	cmd := exec.CommandContext(ctx, command[0], command[1:]...)
	cmd.Cancel = func() error { return cmd.Process.Signal(syscall.SIGTERM) }
	cmd.WaitDelay = 10 * time.Second
	return cmd
}
