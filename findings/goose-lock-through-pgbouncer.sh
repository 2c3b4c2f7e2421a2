#!/usr/bin/env bash
# goose's session locker through PgBouncer with pool_mode=transaction. The lock belongs to a server connection, and PgBouncer
# lends that to the next client as soon as no transaction is open: a second migrator asks for the lock on the connection that
# holds it, gets it, and both migrate at once, without an error. And if another client holds that connection when the lock is
# to be released, Up fails after the migration was made, and the lock stays: the next migration waits for it until it gives up.
# Source: https://www.pgbouncer.org/features.html (session-level advisory locks are not supported), and
# https://github.com/pressly/goose/pull/993, which adds a table locker for this case.
set -euo pipefail
. "$(dirname "$0")/lib/postgres.sh"
command -v pgbouncer >/dev/null || { echo "not run: install PgBouncer (Debian: pgbouncer)"; exit 2; }
dir=$(mktemp -d)
stop() {
  if [ -f "$dir/socket/pid" ]; then kill "$(cat "$dir/socket/pid")" || true; fi
  stop_postgres "$dir"
  rm -rf "$dir"
}
trap stop EXIT
start_postgres "$dir"
cat >"$dir/pgbouncer.ini" <<EOF
[databases]
one = host=$dir/socket user=postgres dbname=postgres pool_size=1
two = host=$dir/socket user=postgres dbname=template1 pool_size=2
[pgbouncer]
listen_port = 6432
unix_socket_dir = $dir/socket
pool_mode = transaction
auth_type = any
pidfile = $dir/socket/pid
logfile = $dir/socket/log
EOF
as_server_user pgbouncer -q -d "$dir/pgbouncer.ini"
echo "version: $(pgbouncer --version | head -1), pool_mode=transaction"
mkdir "$dir/program"
cd "$dir/program"
export GOWORK=off GOMODCACHE=$dir/modules GOFLAGS="-mod=mod -modcacherw -trimpath" CGO_ENABLED=0
cat >go.mod <<'EOF'
module finding

go 1.26.0

require (
	github.com/jackc/pgx/v5 v5.13.0
	github.com/pressly/goose/v3 v3.29.0
)
EOF
cat >main.go <<'EOF'
// Runs one migration from two migrators at once, directly and through PgBouncer. Argument: the folder of the sockets.
package main

import (
	"context"
	"database/sql"
	"fmt"
	"os"
	"runtime/debug"
	"sync/atomic"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/stdlib"
	"github.com/pressly/goose/v3"
	"github.com/pressly/goose/v3/lock"
)

func main() {
	info, _ := debug.ReadBuildInfo()
	for _, dep := range info.Deps {
		if dep.Path == "github.com/pressly/goose/v3" || dep.Path == "github.com/jackc/pgx/v5" {
			fmt.Println("version:", dep.Path, dep.Version)
		}
	}
	direct := "host=" + os.Args[1] + " user=postgres sslmode=disable dbname="
	pooled := "host=" + os.Args[1] + " port=6432 user=postgres sslmode=disable dbname="
	fmt.Println("two migrators, directly:")
	alone := together(direct + "postgres")
	fmt.Println("two migrators, through PgBouncer with one server connection:")
	atOnce := together(pooled + "one")
	fmt.Println("through PgBouncer with two, while a client has a transaction open at the end of the migration:")
	released, later := leftBehind(pooled + "two")
	if alone != 1 || atOnce != 2 || released == nil || later == nil {
		fmt.Println("CHANGED: 1 at once directly, 2 through PgBouncer, and two errors are expected")
		os.Exit(1)
	}
}

// together lets a second migrator start while the first migrates, and returns how many have migrated at once.
func together(dsn string) int32 {
	reset := open(dsn)
	defer reset.Close()
	if _, err := reset.Exec("DROP TABLE IF EXISTS goose_db_version"); err != nil {
		panic(err)
	}
	var running, most atomic.Int32
	started, second := make(chan struct{}, 2), make(chan struct{})
	migration := func(context.Context, *sql.DB) error {
		most.Store(max(most.Load(), running.Add(1)))
		defer running.Add(-1)
		started <- struct{}{}
		if most.Load() == 2 {
			close(second)
		}
		select {
		case <-second:
		case <-time.After(2 * time.Second):
		}
		return nil
	}
	results := make(chan error, 2)
	go func() { results <- up(dsn, migration) }()
	<-started
	go func() { results <- up(dsn, migration) }()
	fmt.Printf("  errors: %v, %v", <-results, <-results)
	fmt.Printf("; migrating at once: %d\n", most.Load())
	return most.Load()
}

// leftBehind returns the error of a migrator that cannot release its lock, and that of the next migrator.
func leftBehind(dsn string) (first, next error) {
	client := open(dsn)
	defer client.Close()
	var tx *sql.Tx
	hold := func(ctx context.Context, _ *sql.DB) (err error) {
		if tx, err = client.Begin(); err == nil {
			_, err = tx.Exec("SELECT 1")
		}
		return err
	}
	first = up(dsn, hold)
	fmt.Println("  error of the migrator:      ", first)
	next = up(dsn, hold, func(context.Context, *sql.DB) error { return nil })
	fmt.Println("  error of the next migration:", next)
	if err := tx.Rollback(); err != nil {
		panic(err)
	}
	return first, next
}

// up applies those of the migrations 1, 2, … that are not applied yet.
func up(dsn string, migrations ...func(context.Context, *sql.DB) error) error {
	db := open(dsn)
	defer db.Close()
	locker, err := lock.NewPostgresSessionLocker(lock.WithLockTimeout(1, 5), lock.WithUnlockTimeout(1, 2))
	if err != nil {
		panic(err)
	}
	options := []goose.ProviderOption{goose.WithSessionLocker(locker), goose.WithDisableGlobalRegistry(true)}
	for i, migration := range migrations {
		options = append(options, goose.WithGoMigrations(goose.NewGoMigration(int64(i+1), &goose.GoFunc{RunDB: migration}, nil)))
	}
	provider, err := goose.NewProvider(goose.DialectPostgres, db, nil, options...)
	if err != nil {
		panic(err)
	}
	_, err = provider.Up(context.Background())
	return err
}

// open returns a pool without prepared statements, which this PgBouncer does not support.
func open(dsn string) *sql.DB {
	config, err := pgx.ParseConfig(dsn)
	if err != nil {
		panic(err)
	}
	config.DefaultQueryExecMode = pgx.QueryExecModeExec
	return stdlib.OpenDB(*config)
}
EOF
go run . "$dir/socket"
