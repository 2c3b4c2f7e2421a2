package main

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"net/url"
	"os"
	"path/filepath"

	"tandem/src/testkit/postgrestest"
)

// harness is what the benchmarks share: a temporary folder, the built services,
// a trace collector, and a PostgreSQL server once a benchmark needs one.
type harness struct {
	options
	dir             string
	current         revision // the working tree
	before          revision // the revision of -against
	collector       *collector
	serial          int      // of the last folder or database
	server          *url.URL // of PostgreSQL; nil until it runs
	postgresVersion string
}

// newHarness builds the services. The caller must call close.
func newHarness(ctx context.Context, o options) (*harness, error) {
	dir, err := os.MkdirTemp(diskDir(), "bench")
	if err != nil {
		return nil, err
	}
	h := &harness{options: o, dir: dir, collector: newCollector()}
	if err := h.build(ctx); err != nil {
		h.close()
		return nil, fmt.Errorf("build the services: %w", err)
	}
	return h, nil
}

func (h *harness) build(ctx context.Context) (err error) {
	// PostgreSQL runs as another user and has its data below this folder.
	if err := os.Chmod(h.dir, 0o711); err != nil {
		return err
	}
	h.current = revision{name: "working tree", dir: filepath.Join(h.dir, "current")}
	if err := buildServices(ctx, ".", h.current.dir); err != nil || h.against == "" {
		return err
	}
	h.before, err = buildRevision(ctx, ".", h.against, h.dir)
	return err
}

// withoutMechanisms returns the services of the working tree with all telemetry on,
// in a build in which a variable disables mechanisms of calls to users.
func (h *harness) withoutMechanisms(ctx context.Context, mechanisms string) (deployment, error) {
	r := revision{name: "working tree for tests", dir: filepath.Join(h.dir, "testhooks")}
	d := r.deployment(h.collector)
	d.env = append(d.env, "USERS_DISABLE="+mechanisms)
	return d, buildServices(ctx, ".", r.dir, "-tags", "testhooks")
}

// close removes the temporary folder. The PostgreSQL server ends with this
// process and then removes what it has written meanwhile.
func (h *harness) close() {
	h.collector.Close()
	_ = os.RemoveAll(h.dir)
}

// diskDir returns a folder on a disk, where a commit has its real cost. /tmp is
// often in memory, but files in /var/tmp survive a reboot (Filesystem Hierarchy
// Standard 3.0, section 5.15). TMPDIR takes precedence.
func diskDir() string {
	if info, err := os.Stat("/var/tmp"); err == nil && info.IsDir() && os.Getenv("TMPDIR") == "" {
		return "/var/tmp"
	}
	return os.TempDir()
}

// newSQLite returns a new folder for SQLite files.
func (h *harness) newSQLite() (storage, error) {
	dir := filepath.Join(h.dir, h.uniqueName())
	return storage{dir: dir}, os.Mkdir(dir, 0o700)
}

// errNoPostgres is returned when no PostgreSQL server can be started.
var errNoPostgres = errors.New("PostgreSQL is not available")

// newPostgres returns a new, empty database. The server has its default
// settings, so commits are durable.
func (h *harness) newPostgres(ctx context.Context) (storage, error) {
	if h.server == nil {
		if err := h.startPostgres(); err != nil {
			return storage{}, err
		}
	}
	admin, err := sql.Open("pgx", h.server.String())
	if err != nil {
		return storage{}, err
	}
	defer admin.Close()
	name := h.uniqueName()
	if _, err := admin.ExecContext(ctx, "CREATE DATABASE "+name); err != nil {
		return storage{}, err
	}
	address := *h.server
	address.Path = "/" + name
	return storage{url: &address}, admin.QueryRowContext(ctx, "SHOW server_version").Scan(&h.postgresVersion)
}

func (h *harness) startPostgres() error {
	bin, err := postgrestest.Programs()
	if err != nil {
		h.postgresVersion = "not available"
		return errNoPostgres
	}
	dir := filepath.Join(h.dir, "postgres")
	if err := os.Mkdir(dir, 0o700); err != nil {
		return err
	}
	h.server, err = postgrestest.Start(bin, dir)
	return err
}

func (h *harness) uniqueName() string {
	h.serial++
	return fmt.Sprintf("bench%d", h.serial)
}

// machine describes what the measurements ran on.
func (h *harness) machine() string {
	postgres := "not used"
	if h.postgresVersion != "" {
		postgres = h.postgresVersion
	}
	return machineDescription() + ", PostgreSQL " + postgres
}
