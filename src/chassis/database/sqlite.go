package database

import (
	"database/sql"
	"errors"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"runtime"

	"github.com/gofrs/flock"
	"go.opentelemetry.io/otel/attribute"
	semconv "go.opentelemetry.io/otel/semconv/v1.43.0"
	_ "modernc.org/sqlite" // the driver, written in Go without cgo
)

// newSQLite creates the pools for the file DIR/NAME.db. SQLite has one writer at
// a time, so the writer pool has one connection. Callers wait for it in Go, and
// stop waiting when their context ends. Readers run concurrently with the writer
// (https://sqlite.org/wal.html).
func newSQLite(dir, name string) (*DB, error) {
	path, err := filepath.Abs(filepath.Join(dir, name+".db"))
	if err != nil {
		return nil, fmt.Errorf("find the folder that DATA_DIR names: %w", err)
	}
	writer, err := openPool(path, url.Values{"_txlock": {"immediate"}})
	if err != nil {
		return nil, err
	}
	writer.SetMaxOpenConns(1)
	reader, err := openPool(path, url.Values{"_query_only": {"1"}})
	if err != nil {
		return nil, err
	}
	maxReaders := 2 + runtime.GOMAXPROCS(0)
	reader.SetMaxOpenConns(maxReaders)
	reader.SetMaxIdleConns(maxReaders)
	probe, err := openPool(path, url.Values{"_query_only": {"1"}})
	if err != nil {
		return nil, err
	}
	// Each ping opens a new connection. An old connection would read from its page
	// cache and not notice that the file is unreadable.
	probe.SetMaxOpenConns(1)
	probe.SetMaxIdleConns(-1)
	db := &DB{
		reader: reader, queries: preparedPool{newStatements(reader)}, writer: writer, probe: probe, migrations: writer,
		path:       path,
		dataDir:    dir,
		fileLock:   flock.New(path+".lock", flock.SetPermissions(0o600)),
		system:     sqliteSystem,
		attributes: []attribute.KeyValue{semconv.DBSystemNameSQLite, semconv.DBNamespace(filepath.Base(path))},
	}
	db.groupCommitter = newGroupCommitter(writer, db.checkFile)
	return db, nil
}

// openPool creates a connection pool for the file. A statement waits at most 5 s
// for a lock. synchronous=FULL makes a commit durable before it is acknowledged
// (https://sqlite.org/pragma.html#pragma_synchronous). The file must exist, so that
// no statement creates another one after it was removed.
func openPool(path string, options url.Values) (*sql.DB, error) {
	options.Set("mode", "rw")
	options.Set("_busy_timeout", "5000")
	options.Set("_journal_mode", "WAL")
	options.Set("_synchronous", "FULL")
	options.Set("_foreign_keys", "1")
	options.Set("_time_format", "sqlite")
	options.Set("_timezone", "UTC")
	pool, err := sql.Open("sqlite", (&url.URL{Scheme: "file", Path: path, RawQuery: options.Encode()}).String())
	if err != nil {
		return nil, fmt.Errorf("open %s: %w", path, err)
	}
	return pool, nil
}

// errFileLocked is the error of lock while another process holds the lock.
var errFileLocked = errors.New("another process has it open")

// lock creates the folder and the SQLite file if they do not exist, and keeps other processes
// from opening it until Close or the end of this process. On PostgreSQL it does
// nothing. SQLite itself allows several processes, but in WAL mode they must run on
// one machine (https://sqlite.org/wal.html), and they must not migrate at the same
// time.
func (db *DB) lock() error {
	if db.fileLock == nil {
		return nil
	}
	if err := os.MkdirAll(filepath.Dir(db.path), 0o750); err != nil {
		return err
	}
	locked, err := db.fileLock.TryLock()
	if err != nil {
		return fmt.Errorf("lock the database file: %w", err)
	}
	if !locked {
		return errFileLocked
	}
	return db.claimFile()
}
