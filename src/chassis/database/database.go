// Package database opens the database of one service, SQLite or PostgreSQL,
// applies the schema migrations and runs the service's SQL. Both systems run the
// same SQL text, with parameters such as $1. They differ only in how to connect,
// how to commit and what an error means.
//
// The files, in reading order: database.go opens and closes, operation.go
// reads and writes, rows.go and where.go help to query, gather.go and group.go write
// values of concurrent callers together, group_commit.go commits on SQLite with the
// prepared statements of statements.go, errors.go classifies errors, migrate.go and
// seed.go prepare the schema and the demo data, takeover.go takes over a database of
// release 0.1, sqlite.go and file.go open a file, postgres.go, source.go, connector.go
// and pooler.go connect to a server, startup.go says what to do about an error of the
// start, backup.go copies a SQLite file.
package database

import (
	"cmp"
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"sync/atomic"
	"time"

	"github.com/gofrs/flock"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/trace"

	"tandem/src/chassis/settings"
	"tandem/src/chassis/telemetry"
)

// Config selects the database that Open opens.
type Config struct {
	Name       string              // of the service's main table; also base name of the SQLite file and db_name label of the metrics
	URL        settings.ConnString // of PostgreSQL; without it and URLFile it is SQLite
	URLFile    string              // file with the URL, read for each new connection
	DataDir    string              // folder of the SQLite file; unused on PostgreSQL
	Migrations fs.FS               // contains the folders migrations/sqlite and migrations/postgres

	// Of the PostgreSQL pool. Zero: 10 connections, without a limit of their time.
	MaxConns                   int
	ConnLifetime, ConnIdleTime time.Duration

	CommitAlone bool // whether each change has a commit of its own, so that a measurement can show what groups bring
}

// DB is the database of one service. Its methods may be called concurrently.
type DB struct {
	name           string // as in Config
	reader         *sql.DB
	queries        Querier               // runs on reader
	writer         *sql.DB               // the same pool as reader on PostgreSQL
	probe          *sql.DB               // used only by Ping, so that a ping never queues behind requests
	migrations     *sql.DB               // used only by migrate; the same pool as writer on SQLite
	source         *source               // of PostgreSQL connections; nil on SQLite
	groupCommitter *groupCommitter       // commits on SQLite; nil on PostgreSQL
	commitAlone    bool                  // as in Config
	path           string                // of the SQLite file
	dataDir        string                // its folder, as the setting has it
	blocked        atomic.Pointer[error] // why the last write to the SQLite file has failed; nil if it has not
	file           os.FileInfo           // identifies the SQLite file that lock has found at path; nil on PostgreSQL
	fileLock       *flock.Flock          // locks the SQLite file for this process; nil on PostgreSQL
	system         string                // sqliteSystem or postgresSystem
	tracer         trace.Tracer
	attributes     []attribute.KeyValue // span attributes of every operation
}

// Values of the OpenTelemetry attribute db.system.name.
const (
	sqliteSystem   = "sqlite"
	postgresSystem = "postgresql"
)

// openRetryDelay is how long Open waits before it tries again.
const openRetryDelay = 500 * time.Millisecond

// Open connects to the database and applies the migrations. While the cause of a
// failure may end by itself (PostgreSQL is unavailable, another process has locked
// the SQLite file, the disk is full), Open retries until ctx ends and then returns the
// last error. It returns any other error at once, such as a rejected login, with
// the setting to change: see explain.
func Open(ctx context.Context, config Config, t *telemetry.Telemetry) (*DB, error) {
	db, err := newDB(config)
	if err != nil {
		return nil, err
	}
	db.name, db.tracer, db.commitAlone = config.Name, t.Tracer, config.CommitAlone
	if db.groupCommitter != nil && db.commitAlone {
		db.groupCommitter.gather.size = 1
	}
	for {
		if err = db.start(ctx, config.Migrations); err == nil {
			db.registerMetrics(config.Name, t.Registry)
			return db, nil
		}
		err = fmt.Errorf("open %s: %w", cmp.Or(db.path, "the PostgreSQL database of "+config.Name), db.explain(err))
		if !isRetryableAtStartup(err) || ctx.Err() != nil {
			return nil, errors.Join(err, db.Close())
		}
		t.Log.Warn("the database cannot be reached yet", slog.String("error", err.Error()))
		select {
		case <-ctx.Done():
		case <-time.After(openRetryDelay):
		}
	}
}

// newDB creates the connection pools. It does not connect to PostgreSQL yet.
func newDB(config Config) (*DB, error) {
	from, err := newSource(config)
	if err != nil {
		return nil, err
	}
	if from == nil {
		return newSQLite(config.DataDir, config.Name)
	}
	return newPostgres(config, from)
}

// start locks the SQLite file, migrates, and connects once as requests do.
func (db *DB) start(ctx context.Context, migrations fs.FS) error {
	if err := db.lock(); err != nil {
		return err
	}
	if err := db.detectPooler(ctx); err != nil {
		return err
	}
	if err := db.migrate(ctx, migrations); err != nil {
		return err
	}
	if db.source != nil {
		db.migrations.SetMaxIdleConns(-1) // closes the connection, which nothing needs from now on
	}
	return db.reader.PingContext(ctx)
}

// TakesArrays reports whether a statement can take a whole column of rows as one
// parameter, as PostgreSQL can.
func (db *DB) TakesArrays() bool { return db.system == postgresSystem }

// Ping reads a row of a table. It returns an error if the database does not
// return the row before ctx ends, takes no writes (a standby), or does not take a new
// connection although requests need one. ErrReadsOnly says that reads go on.
func (db *DB) Ping(ctx context.Context) error {
	if err := db.checkFile(); err != nil {
		return err
	}
	if err := db.checkConnecting(ctx); err != nil {
		return err
	}
	err := db.probeServer(ctx)
	if db.replaceStale(err) {
		err = db.probeServer(ctx)
	}
	if err != nil {
		return err
	}
	return db.checkWritable()
}

// errStandby is the error of a ping of a server that takes no writes.
var errStandby = errors.New("the server takes no writes: it is a standby, or read-only")

// probeServer reads a row of a table, and whether the server takes writes.
func (db *DB) probeServer(ctx context.Context) error {
	var lowest int64
	readOnly, query := false, "SELECT lowest_version, FALSE FROM "
	if db.system == postgresSystem {
		query = "SELECT lowest_version, pg_is_in_recovery() OR current_setting('transaction_read_only')::boolean FROM "
	}
	if err := db.probe.QueryRowContext(ctx, query+db.admissionTable()).Scan(&lowest, &readOnly); err != nil {
		return err
	}
	if readOnly {
		db.source.discard()
		return errStandby
	}
	return nil
}

// checkConnecting makes a new connection if the last attempt has failed, and returns
// its error. The connections that are open may serve on, but not all requests.
func (db *DB) checkConnecting(ctx context.Context) error {
	if db.source == nil || !db.source.refused.Load() {
		return nil
	}
	db.probe.SetMaxIdleConns(-1) // closes the connection that is open
	defer db.probe.SetMaxIdleConns(1)
	return db.probe.PingContext(ctx)
}

// Close waits for the commit in progress, closes the connection pools and unlocks
// the SQLite file. Operations that are still queued fail.
func (db *DB) Close() error {
	if db.groupCommitter != nil {
		db.groupCommitter.close()
	}
	// Close the writer last: SQLite checkpoints the WAL when the last connection closes.
	err := errors.Join(db.probe.Close(), db.reader.Close(), db.migrations.Close(), db.writer.Close())
	if db.fileLock != nil {
		err = errors.Join(err, db.fileLock.Close())
	}
	return err
}

// registerMetrics exports the statistics of the pools that serve requests.
func (db *DB) registerMetrics(name string, registry *prometheus.Registry) {
	registry.MustRegister(collectors.NewDBStatsCollector(db.reader, name))
	if db.writer != db.reader {
		registry.MustRegister(collectors.NewDBStatsCollector(db.writer, name+"_writer"))
	}
}
