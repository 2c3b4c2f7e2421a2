#!/usr/bin/env bash
# pgx v5.12.0: the server has run a statement and the connection ends before its answer arrives. For a statement without
# arguments, and for COMMIT, the error says that it is safe to retry (pgconn.SafeToRetry), although the server has done it.
# database/sql believes it and sends a statement outside a transaction again: one call of Exec, no error, two rows. With
# arguments it reports the lost connection, as v5.13.0 does in all three cases.
# Source: https://github.com/jackc/pgx/blob/v5.13.0/CHANGELOG.md (bug fixes of 5.13.0); the rule that is broken is
# that of driver.ErrBadConn, https://pkg.go.dev/database/sql/driver#pkg-variables.
set -euo pipefail
. "$(dirname "$0")/lib/postgres.sh"
dir=$(mktemp -d)
trap 'stop_postgres "$dir"; rm -rf "$dir"' EXIT
start_postgres "$dir"
cd "$dir"
export GOWORK=off GOMODCACHE=$dir/modules GOFLAGS="-mod=mod -modcacherw -trimpath" CGO_ENABLED=0
mkdir program
cd program
cat >main.go <<'EOF'
// Talks to PostgreSQL through a proxy that swallows one answer and closes the connection. Arguments: the socket of the
// server, and the rows that are expected after Exec without arguments.
package main

import (
	"bytes"
	"database/sql"
	"fmt"
	"io"
	"net"
	"os"
	"runtime/debug"
	"strconv"
	"sync/atomic"

	"github.com/jackc/pgx/v5/pgconn"
	_ "github.com/jackc/pgx/v5/stdlib"
)

// swallow is the answer that the proxy does not pass on, once; empty: none.
var swallow atomic.Value

func main() {
	info, _ := debug.ReadBuildInfo()
	for _, dep := range info.Deps {
		if dep.Path == "github.com/jackc/pgx/v5" {
			fmt.Println("version:", dep.Path, dep.Version)
		}
	}
	swallow.Store("")
	db, err := sql.Open("pgx", "postgres://postgres@"+proxy(os.Args[1])+"/postgres?sslmode=disable")
	if err != nil {
		panic(err)
	}
	defer db.Close()
	must(db.Exec("CREATE TABLE IF NOT EXISTS t (v text)"))

	plain, _ := try("Exec without arguments", db, "INSERT 0 1", func() error {
		_, err := db.Exec("INSERT INTO t VALUES ('x')")
		return err
	})
	withArgs, _ := try("Exec with an argument", db, "INSERT 0 1", func() error {
		_, err := db.Exec("INSERT INTO t VALUES ($1)", "x")
		return err
	})
	tx, err := db.Begin()
	if err != nil {
		panic(err)
	}
	must(tx.Exec("INSERT INTO t VALUES ($1)", "x"))
	committed, safe := try("Commit", db, "COMMIT", tx.Commit)

	want, err := strconv.Atoi(os.Args[2])
	if err != nil {
		panic(err)
	}
	if plain != want || withArgs != 1 || committed != 1 || safe != (want == 2) {
		fmt.Printf("CHANGED: the rows should be %d, 1 and 1, and safe to retry after Commit %t\n", want, want == 2)
		os.Exit(1)
	}
}

// try loses the answer to what f does, and returns the number of rows after it and whether its error is called safe.
func try(about string, db *sql.DB, answer string, f func() error) (rows int, safe bool) {
	swallow.Store(answer)
	err := f()
	if err := db.QueryRow("SELECT count(*) FROM t").Scan(&rows); err != nil {
		panic(err)
	}
	must(db.Exec("TRUNCATE t"))
	safe = pgconn.SafeToRetry(err)
	fmt.Printf("  %-23s rows %d, safe to retry %-5t, error %v\n", about+":", rows, safe, err)
	return rows, safe
}

func must(_ sql.Result, err error) {
	if err != nil {
		panic(err)
	}
}

// proxy returns the address of a proxy in front of a Unix socket.
func proxy(socket string) string {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		panic(err)
	}
	go func() {
		for {
			client, err := listener.Accept()
			if err != nil {
				return
			}
			server, err := net.Dial("unix", socket)
			if err != nil {
				panic(err)
			}
			go io.Copy(server, client)
			go answers(client, server)
		}
	}()
	return listener.Addr().String()
}

// answers passes on what the server says, until it says what is to be swallowed.
func answers(client, server net.Conn) {
	defer client.Close()
	defer server.Close()
	buf := make([]byte, 1<<16)
	for {
		n, err := server.Read(buf)
		if err != nil {
			return
		}
		if text := swallow.Load().(string); text != "" && bytes.Contains(buf[:n], []byte(text)) {
			swallow.Store("")
			return
		}
		client.Write(buf[:n])
	}
}
EOF
for case in "v5.12.0 2" "v5.13.0 1"; do
  read -r version rows <<<"$case"
  rm -f go.sum
  printf 'module finding\n\ngo 1.26.0\n\nrequire github.com/jackc/pgx/v5 %s\n' "$version" >go.mod
  go run . "$dir/socket/.s.PGSQL.5432" "$rows"
done
