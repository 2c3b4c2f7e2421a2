package database

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"strings"
	"time"

	"github.com/pressly/goose/v3"
	"github.com/pressly/goose/v3/lock"
)

// migrate applies the pending migrations, one process at a time, and returns an
// error if the schema is too new for this binary, or if the SQLite file is not
// the service's.
//
// A migration is a pair of files named NNNNN_description.sql, one in
// migrations/sqlite and one in migrations/postgres. Two releases run at the same
// time during a rollout, so a migration may only add to the schema. A migration of
// a later release then removes what is no longer used. The table NAME_schema_version holds the versions of
// the migrations that are applied. NAME_schema_admission holds lowest_version, the
// lowest schema version with which a binary may use the database; a migration that
// removes something raises it. The schema version of a binary is the number of its
// newest migration.
func (db *DB) migrate(ctx context.Context, migrations fs.FS) error {
	if err := db.checkOwner(ctx); err != nil {
		return err
	}
	unlock, err := db.lockMigrations(ctx)
	if err != nil {
		return fmt.Errorf("lock the migrations: %w", err)
	}
	defer unlock()
	if err := db.takeOver(ctx); err != nil {
		return err
	}
	provider, err := db.newMigrationProvider(migrations)
	if err != nil {
		return fmt.Errorf("read the migrations: %w", err)
	}
	if _, err := provider.Up(ctx); err != nil {
		return fmt.Errorf("migrate: %w", err)
	}
	sources := provider.ListSources()
	return db.checkCompatibility(ctx, sources[len(sources)-1].Version)
}

// dialect returns goose's name of the database system.
func (db *DB) dialect() goose.Dialect {
	if db.system == postgresSystem {
		return goose.DialectPostgres
	}
	return goose.DialectSQLite3
}

// The names of the tables that every service has of its own, so that two services
// can use one PostgreSQL database.
func (db *DB) versionTable() string   { return db.name + "_schema_version" }
func (db *DB) admissionTable() string { return db.name + "_schema_admission" }

// migrationLockTimeout is how long a process waits while another one migrates.
const migrationLockTimeout = 10 * time.Minute

// lockMigrations waits until no other process migrates, and returns a function that
// lets others migrate. On PostgreSQL it holds goose's advisory lock in a transaction of
// its own, because a pooler may give each transaction another session. It excludes
// releases that hold the same lock in a session, too. On SQLite the lock on the file
// excludes other processes.
func (db *DB) lockMigrations(ctx context.Context) (unlock func(), err error) {
	if db.system != postgresSystem {
		return func() {}, nil
	}
	tx, err := db.migrations.BeginTx(ctx, nil)
	if err != nil {
		return nil, err
	}
	unlock = func() { _ = tx.Rollback() } // fails if the connection is lost; then the server ends the transaction
	// A migration may take longer than the server lets a transaction be idle.
	if _, err := tx.ExecContext(ctx, "SET LOCAL idle_in_transaction_session_timeout = 0"); err != nil {
		unlock()
		return nil, err
	}
	for deadline := time.Now().Add(migrationLockTimeout); ; {
		var locked bool
		err := tx.QueryRowContext(ctx, "SELECT pg_try_advisory_xact_lock($1)", lock.DefaultLockID).Scan(&locked)
		if err == nil && !locked && time.Now().After(deadline) {
			err = errors.New("another process has been migrating for ten minutes")
		}
		if err != nil {
			unlock()
			return nil, err
		}
		if locked {
			return unlock, nil
		}
		select {
		case <-ctx.Done():
		case <-time.After(openRetryDelay):
		}
	}
}

// newMigrationProvider returns a provider of the migrations for this database system.
func (db *DB) newMigrationProvider(migrations fs.FS) (*goose.Provider, error) {
	folder := "sqlite"
	options := []goose.ProviderOption{goose.WithDisableGlobalRegistry(true), goose.WithTableName(db.versionTable())}
	if db.system == postgresSystem {
		folder = "postgres"
	}
	files, err := fs.Sub(migrations, "migrations/"+folder)
	if err != nil {
		return nil, err
	}
	return goose.NewProvider(db.dialect(), db.migrations, files, options...)
}

// checkCompatibility returns an error if version, the schema version of this
// binary, is lower than the one that the database requires.
func (db *DB) checkCompatibility(ctx context.Context, version int64) error {
	var lowest int64
	if err := db.migrations.QueryRowContext(ctx, "SELECT lowest_version FROM "+db.admissionTable()).Scan(&lowest); err != nil {
		return fmt.Errorf("read the lowest compatible schema version: %w", err)
	}
	if version < lowest {
		return fmt.Errorf("this binary's schema version is %d, but the database requires version %d or later: run a newer release",
			version, lowest)
	}
	return nil
}

// checkOwner returns an error if the SQLite file has tables, but none of the
// service. A PostgreSQL database may have tables of others.
func (db *DB) checkOwner(ctx context.Context) error {
	if db.system == postgresSystem {
		return nil
	}
	names, err := CollectRows(ctx, db.migrations, func(row Row) (name string, err error) { err = row.Scan(&name); return name, err },
		"SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite_%' AND name <> $1 ORDER BY name", oldVersionTable)
	if err != nil {
		return fmt.Errorf("read the names of its tables: %w", err)
	}
	if len(names) == 0 || slices.Contains(names, db.name) || slices.Contains(names, db.versionTable()) {
		return nil
	}
	return fmt.Errorf("it has the tables %s and is not a store of %s: give another folder in DATA_DIR",
		strings.Join(names, ", "), db.name)
}
