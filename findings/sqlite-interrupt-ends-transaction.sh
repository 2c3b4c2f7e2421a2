#!/usr/bin/env bash
# A context that ends during an INSERT, UPDATE or DELETE makes SQLite roll back the whole transaction, not only the
# statement and not only to the last savepoint: rows of released savepoints before it are gone too, ROLLBACK TO fails, and a
# statement that follows on the connection is in no transaction and commits by itself. A SELECT that is interrupted leaves
# the transaction as it is.
# Source: https://sqlite.org/c3ref/interrupt.html; that the driver modernc.org/sqlite calls sqlite3_interrupt when the
# context ends is what connects the two.
set -euo pipefail
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
cd "$dir"
export GOWORK=off GOMODCACHE=$dir/modules GOFLAGS="-mod=mod -modcacherw -trimpath" CGO_ENABLED=0
cat >go.mod <<'EOF'
module finding

go 1.26.0

require modernc.org/sqlite v1.62.0
EOF
cat >main.go <<'EOF'
// Interrupts a statement in the second of two savepoints, and looks at what is left of the transaction.
package main

import (
	"context"
	"database/sql"
	"fmt"
	"os"
	"runtime/debug"
	"time"

	_ "modernc.org/sqlite"
)

const numbers = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n LIMIT 1000000000) "

func main() {
	info, _ := debug.ReadBuildInfo()
	for _, dep := range info.Deps {
		if dep.Path == "modernc.org/sqlite" {
			fmt.Println("version:", dep.Path, dep.Version)
		}
	}
	read := interrupt(numbers + "SELECT count(*) FROM n")
	write := interrupt(numbers + "INSERT INTO t SELECT i FROM n")
	if read != "first,third" || write != "third" {
		fmt.Println("CHANGED: first,third should be left after the SELECT, and only third after the INSERT")
		os.Exit(1)
	}
}

// interrupt returns the rows that are stored after the statement was interrupted in a transaction.
func interrupt(statement string) (stored string) {
	ctx := context.Background()
	db, err := sql.Open("sqlite", ":memory:")
	if err != nil {
		panic(err)
	}
	defer db.Close()
	conn, err := db.Conn(ctx)
	if err != nil {
		panic(err)
	}
	defer conn.Close()
	exec := func(query string) error {
		_, err := conn.ExecContext(ctx, query)
		return err
	}
	for _, query := range []string{"CREATE TABLE t (v)", "BEGIN IMMEDIATE",
		"SAVEPOINT one", "INSERT INTO t VALUES ('first')", "RELEASE one", "SAVEPOINT two"} {
		if err := exec(query); err != nil {
			panic(err)
		}
	}
	short, cancel := context.WithTimeout(ctx, 100*time.Millisecond)
	defer cancel()
	_, err = conn.ExecContext(short, statement)
	fmt.Println(statement[len(numbers):])
	fmt.Println("  error of the statement:", err)
	fmt.Println("  ROLLBACK TO two:       ", exec("ROLLBACK TO two"))
	fmt.Println("  INSERT of third:       ", exec("INSERT INTO t VALUES ('third')"))
	fmt.Println("  COMMIT:                ", exec("COMMIT"))
	if err := conn.QueryRowContext(ctx, "SELECT group_concat(v) FROM t").Scan(&stored); err != nil {
		panic(err)
	}
	fmt.Println("  stored:                ", stored)
	return stored
}
EOF
go run .
