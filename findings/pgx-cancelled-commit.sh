#!/usr/bin/env bash
# A COMMIT waits for a synchronous standby that does not answer; meanwhile nobody sees its rows. Then the context of the
# client ends. pgx returns a timeout and asks the server to cancel, and exactly this cancellation completes the commit: the
# rows become visible at once, on this server alone, although no standby has them. A repetition of the statement that finds
# its row (ON CONFLICT DO NOTHING) writes nothing, so that it waits for nobody: it succeeds, and a failover can lose what it
# has confirmed. statement_timeout, which is one second here, does not end the wait.
# Source: SyncRepWaitForLSN in https://github.com/postgres/postgres/blob/REL_15_STABLE/src/backend/replication/syncrep.c, and
# the thread "Commit to primary with unavailable sync standby" of December 2019 in the list pgsql-general.
set -euo pipefail
. "$(dirname "$0")/lib/postgres.sh"
dir=$(mktemp -d)
trap 'stop_postgres "$dir"; rm -rf "$dir"' EXIT
start_postgres "$dir"
cd "$dir"
export GOWORK=off GOMODCACHE=$dir/modules GOFLAGS="-mod=mod -modcacherw -trimpath" CGO_ENABLED=0
mkdir program
cd program
printf 'module finding\n\ngo 1.26.0\n\nrequire github.com/jackc/pgx/v5 v5.13.0\n' >go.mod
cat >main.go <<'EOF'
// Commits while no synchronous standby is there, and ends the context of the commit. Argument: the folder of the socket.
package main

import (
	"context"
	"database/sql"
	"fmt"
	"os"
	"runtime/debug"
	"time"

	"github.com/jackc/pgx/v5/pgconn"
	_ "github.com/jackc/pgx/v5/stdlib"
)

const insert = "INSERT INTO t VALUES ($1) ON CONFLICT DO NOTHING"

func main() {
	info, _ := debug.ReadBuildInfo()
	for _, dep := range info.Deps {
		if dep.Path == "github.com/jackc/pgx/v5" {
			fmt.Println("version:", dep.Path, dep.Version)
		}
	}
	db, err := sql.Open("pgx", "host="+os.Args[1]+" user=postgres dbname=postgres statement_timeout=1000")
	if err != nil {
		panic(err)
	}
	defer db.Close()
	for _, query := range []string{"CREATE TABLE t (v text PRIMARY KEY)", "ALTER SYSTEM SET synchronous_standby_names = 'absent'",
		"SELECT pg_reload_conf()"} {
		if _, err := db.Exec(query); err != nil {
			panic(err)
		}
	}
	until(db, "the setting applies", "SELECT current_setting('synchronous_standby_names') = 'absent'")

	ctx, cancel := context.WithCancel(context.Background())
	committed := make(chan error, 1)
	go func() {
		_, err := db.ExecContext(ctx, insert, "x")
		committed <- err
	}()
	until(db, "the commit waits", "SELECT count(*) = 1 FROM pg_stat_activity WHERE wait_event = 'SyncRep'")
	time.Sleep(3 * time.Second)
	before := rows(db)
	fmt.Println("the commit waits for the standby:  another client sees", before, "rows")
	cancel()
	err = <-committed
	fmt.Printf("the context ends:                  %v (safe to retry: %t)\n", err, pgconn.SafeToRetry(err))
	until(db, "the commit does not wait any more", "SELECT count(*) = 0 FROM pg_stat_activity WHERE wait_event = 'SyncRep'")
	after := rows(db)
	fmt.Println("there is no standby still:         another client sees", after, "rows")
	short, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	_, again := db.ExecContext(short, insert, "x")
	fmt.Println("the statement is repeated:         error", again)
	if before != 0 || after != 1 || err == nil || pgconn.SafeToRetry(err) || again != nil {
		fmt.Println("CHANGED: there should be 0 rows, an error, 1 row, and no error")
		os.Exit(1)
	}
}

func rows(db *sql.DB) (n int) {
	if err := db.QueryRow("SELECT count(*) FROM t").Scan(&n); err != nil {
		panic(err)
	}
	return n
}

// until waits until the query is true.
func until(db *sql.DB, what, query string) {
	for range 300 {
		var yes bool
		if err := db.QueryRow(query).Scan(&yes); err != nil {
			panic(err)
		}
		if yes {
			return
		}
		time.Sleep(50 * time.Millisecond)
	}
	panic("timeout: " + what)
}
EOF
go run . "$dir/socket"
