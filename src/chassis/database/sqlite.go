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
	_ "modernc.org/sqlite" // the driver, in Go alone
)

// openSQLite opens the file DIR/NAME.db. SQLite has one writer at a time, so
// the writing pool has one connection and callers queue there, in Go, where a
// context ends their wait; readers go on beside it (https://sqlite.org/wal.html).
func openSQLite(dir, name string) (*DB, error) {
	if err := os.MkdirAll(dir, 0o750); err != nil {
		return nil, fmt.Errorf("create the folder that DATA_DIR names: %w", err)
	}
	path, err := filepath.Abs(filepath.Join(dir, name+".db"))
	if err != nil {
		return nil, fmt.Errorf("find the folder that DATA_DIR names: %w", err)
	}
	writer, err := openFile(path, url.Values{"_txlock": {"immediate"}})
	if err != nil {
		return nil, err
	}
	writer.SetMaxOpenConns(1)
	reader, err := openFile(path, url.Values{"_query_only": {"1"}})
	if err != nil {
		return nil, err
	}
	probe, err := openFile(path, url.Values{"_query_only": {"1"}})
	if err != nil {
		return nil, err
	}
	// Each time anew: an open connection would go on reading from its cache.
	probe.SetMaxOpenConns(1)
	probe.SetMaxIdleConns(-1)
	readers := 2 + runtime.GOMAXPROCS(0)
	reader.SetMaxOpenConns(readers)
	reader.SetMaxIdleConns(readers)
	return &DB{reader: reader, writer: writer, probe: probe, migrations: writer, group: newGroup(writer), file: path, owner: flock.New(path+".lock", flock.SetPermissions(0o600)), system: sqliteSystem, attributes: []attribute.KeyValue{
		attribute.String("db.system.name", sqliteSystem),
		attribute.String("db.namespace", filepath.Base(path)),
	}}, nil
}

// errFileInUse says that another process owns the SQLite file.
var errFileInUse = errors.New("another process has it open")

// own makes this process the one that has the SQLite file, until Close or its
// end however that comes. SQLite would let more in, though a WAL bears them on
// one machine only (https://sqlite.org/wal.html), and migrations must not meet.
func (db *DB) own() error {
	if db.owner == nil {
		return nil
	}
	owned, err := db.owner.TryLock()
	if err != nil {
		return fmt.Errorf("lock %s: %w", db.file, err)
	}
	if !owned {
		return fmt.Errorf("%s: %w", db.file, errFileInUse)
	}
	return nil
}

// openFile opens a pool on a file. synchronous=FULL makes a commit durable
// before it is acknowledged (https://sqlite.org/pragma.html#pragma_synchronous).
func openFile(path string, options url.Values) (*sql.DB, error) {
	if !options.Has("_busy_timeout") {
		options.Set("_busy_timeout", "5000")
	}
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
