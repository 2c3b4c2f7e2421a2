#!/usr/bin/env bash
# A program that meets a full disk looks for SQLITE_FULL (13). With a write-ahead log that is what a connection gets that was
# open before. One that opens the database gets "disk I/O error" (SQLITE_IOERR_SHMSIZE, 4874), as from a broken disk, and
# already for its first read, although nothing has to be written: the file -shm must be made, which the last connection deleted
# when it was closed. With a rollback journal the same reads work. So a program that was stopped in good order cannot even read
# when it starts on a full disk, and nothing in the error says why.
# Source: https://sqlite.org/rescode.html#ioerr_shmsize, https://sqlite.org/wal.html#read_only_databases.
set -euo pipefail
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
cd "$dir"
unshare -rm true 2>unshare || { echo "not run: user namespaces are not allowed ($(cat unshare))"; exit 2; }
export GOWORK=off GOMODCACHE=$dir/modules GOFLAGS="-mod=mod -modcacherw -trimpath" CGO_ENABLED=0
cat >go.mod <<'EOF'
module finding

go 1.26.0

require modernc.org/sqlite v1.62.0
EOF
cat >main.go <<'EOF'
// Reads and writes a database whose disk is full, in a connection from before and in a new one. Argument: a small disk.
package main

import (
	"database/sql"
	"errors"
	"fmt"
	"os"
	"runtime/debug"
	"syscall"

	"modernc.org/sqlite"
)

func main() {
	info, _ := debug.ReadBuildInfo()
	for _, dep := range info.Deps {
		if dep.Path == "modernc.org/sqlite" {
			fmt.Println("version:", dep.Path, dep.Version)
		}
	}
	same := true
	for _, mode := range []struct {
		journal                              string
		oldRead, oldWrite, newRead, newWrite int
	}{{"delete", 0, 13, 0, 13}, {"wal", 0, 13, 4874, 4874}} {
		file := os.Args[1] + "/" + mode.journal
		old := open(file)
		must(exec(old, "PRAGMA journal_mode="+mode.journal))
		must(exec(old, "CREATE TABLE t (v)"))
		must(exec(old, "INSERT INTO t VALUES (zeroblob(10000))"))
		fill(os.Args[1] + "/rest")
		fmt.Println("journal_mode=" + mode.journal + ", the disk is full:")
		same = report("a connection from before reads", read(old), mode.oldRead) && same
		same = report("a connection from before writes", write(old), mode.oldWrite) && same
		must(os.Remove(os.Args[1] + "/rest"))
		must(old.Close())
		fill(os.Args[1] + "/rest")
		same = report("a new connection reads", read(open(file)), mode.newRead) && same
		same = report("a new connection writes", write(open(file)), mode.newWrite) && same
		must(os.Remove(os.Args[1] + "/rest"))
		must(read(open(file)))
	}
	if !same {
		fmt.Println("CHANGED: expected 0, 13, 0, 13 with a rollback journal, and 0, 13, 4874, 4874 with a write-ahead log")
		os.Exit(1)
	}
}

func open(file string) *sql.DB {
	db, err := sql.Open("sqlite", "file:"+file)
	must(err)
	db.SetMaxOpenConns(1)
	return db
}

func exec(db *sql.DB, query string) error { _, err := db.Exec(query); return err }

func write(db *sql.DB) error { return exec(db, "INSERT INTO t VALUES (zeroblob(100000))") }

func read(db *sql.DB) error {
	var n int
	return db.QueryRow("SELECT count(*) FROM t").Scan(&n)
}

// report prints the outcome, and returns whether its result code is the wanted one.
func report(what string, err error, want int) bool {
	code := 0
	if e := (*sqlite.Error)(nil); errors.As(err, &e) {
		code = e.Code()
	} else if err != nil {
		code = -1
	}
	fmt.Printf("  %-33s code %4d, error %v\n", what+":", code, err)
	return code == want
}

// fill writes a file until nothing more fits.
func fill(file string) {
	f, err := os.Create(file)
	must(err)
	defer f.Close()
	for size := 1 << 16; size > 0; size /= 2 {
		for err = nil; err == nil; {
			_, err = f.Write(make([]byte, size))
		}
		if !errors.Is(err, syscall.ENOSPC) {
			panic(err)
		}
	}
}

func must(err error) {
	if err != nil {
		panic(err)
	}
}
EOF
go build -o finding .
mkdir disk
unshare -rm sh -c 'mount -t tmpfs -o size=4m disk disk && ./finding "$PWD/disk"'
