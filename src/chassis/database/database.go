// Package database opens a service's own database, SQLite or PostgreSQL,
// brings its schema up to date and runs the service's SQL on it. One text of
// SQL with $n parameters serves both; only connecting and the meaning of
// errors differ.
package database

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"time"

	"github.com/gofrs/flock"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/trace"

	"tandem/src/chassis/settings"
	"tandem/src/chassis/telemetry"
)

// Config says which database to open.
type Config struct {
	Name       string       // of the SQLite file, and in metrics
	URL        settings.URL // of PostgreSQL; the zero URL means SQLite
	DataDir    string       // folder of the SQLite file
	Migrations fs.FS        // folders migrations/sqlite and migrations/postgres
}

// DB is one service's database.
type DB struct {
	reader     *sql.DB
	writer     *sql.DB      // the same pool on PostgreSQL
	probe      *sql.DB      // for Ping alone, so that it never waits behind requests
	migrations *sql.DB      // for migrating alone; the writer on SQLite
	group      *group       // of SQLite: commits that share a wait for the disk
	file       string       // of SQLite
	owner      *flock.Flock // of SQLite: held by the one process that has the file open
	system     string       // "sqlite" or "postgresql", as db.system.name has it
	tracer     trace.Tracer
	attributes []attribute.KeyValue
}

const (
	sqliteSystem   = "sqlite"
	postgresSystem = "postgresql"
)

// openRetry is how long Open waits before it tries a database again that it
// could not reach.
const openRetry = 500 * time.Millisecond

// Open connects and brings the schema up to date. While PostgreSQL cannot be
// reached, or another process has the SQLite file open, it tries again, until
// the context ends; a host that does not exist, a login or a schema that is
// refused is an error at once.
func Open(ctx context.Context, config Config, t *telemetry.Telemetry) (*DB, error) {
	db, err := connect(config)
	if err != nil {
		return nil, err
	}
	db.tracer = t.Tracer
	for {
		if err = db.own(); err == nil {
			err = db.migrate(ctx, config.Migrations)
		}
		if err == nil {
			db.registerMetrics(config.Name, t.Registry)
			return db, nil
		}
		if !worthWaiting(err) || ctx.Err() != nil {
			return nil, errors.Join(fmt.Errorf("open the %s database of %s: %w", db.system, config.Name, err), db.Close())
		}
		t.Log.Warn("the database cannot be reached yet", slog.String("error", err.Error()))
		select {
		case <-ctx.Done():
		case <-time.After(openRetry):
		}
	}
}

// connect prepares the pools; PostgreSQL is not asked yet.
func connect(config Config) (*DB, error) {
	if config.URL.URL == nil {
		return openSQLite(config.DataDir, config.Name)
	}
	return openPostgres(config.URL)
}

// Ping reports whether the database answers, from its tables.
func (db *DB) Ping(ctx context.Context) error {
	var lowest int64
	return db.probe.QueryRowContext(ctx, "SELECT lowest_version FROM schema_admission").Scan(&lowest)
}

// Close closes the pools.
func (db *DB) Close() error {
	if db.group != nil {
		db.group.close()
	}
	// The writer after the readers: the last connection to close empties the WAL.
	err := errors.Join(db.probe.Close(), db.reader.Close(), db.migrations.Close(), db.writer.Close())
	if db.owner != nil {
		err = errors.Join(err, db.owner.Close())
	}
	return err
}

func (db *DB) registerMetrics(name string, registry *prometheus.Registry) {
	registry.MustRegister(collectors.NewDBStatsCollector(db.reader, name))
	if db.writer != db.reader {
		registry.MustRegister(collectors.NewDBStatsCollector(db.writer, name+"_writer"))
	}
}
