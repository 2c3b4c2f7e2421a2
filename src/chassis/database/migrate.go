package database

import (
	"context"
	"fmt"
	"io/fs"

	"github.com/pressly/goose/v3"
	"github.com/pressly/goose/v3/lock"
)

// migrate applies the pending migrations and returns an error if the schema is
// too new for this binary. Only one process migrates at a time.
//
// A migration is a pair of files named NNNNN_description.sql, one in
// migrations/sqlite and one in migrations/postgres. Two releases run at the same
// time during a rollout, so a migration may only add to the schema. A migration
// of a later release then removes what is no longer used, and raises the
// lowest_version in the table schema_admission. This is the lowest schema version
// with which a binary may use the database. The schema version of a binary is
// the number of its newest migration.
func (db *DB) migrate(ctx context.Context, migrations fs.FS) error {
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

// newMigrationProvider returns a provider of the migrations for this database
// system. On PostgreSQL the provider holds an advisory lock while it migrates; it
// tries once a second, for at most ten minutes, to get the lock. On SQLite the
// lock on the file excludes other processes.
func (db *DB) newMigrationProvider(migrations fs.FS) (*goose.Provider, error) {
	dialect, folder := goose.DialectSQLite3, "sqlite"
	options := []goose.ProviderOption{goose.WithDisableGlobalRegistry(true)}
	if db.system == postgresSystem {
		locker, err := lock.NewPostgresSessionLocker(lock.WithLockTimeout(1, 600))
		if err != nil {
			return nil, err
		}
		dialect, folder = goose.DialectPostgres, "postgres"
		options = append(options, goose.WithSessionLocker(locker))
	}
	files, err := fs.Sub(migrations, "migrations/"+folder)
	if err != nil {
		return nil, err
	}
	return goose.NewProvider(dialect, db.migrations, files, options...)
}

// checkCompatibility returns an error if version, the schema version of this
// binary, is lower than the one that the database requires.
func (db *DB) checkCompatibility(ctx context.Context, version int64) error {
	var lowest int64
	if err := db.migrations.QueryRowContext(ctx, "SELECT lowest_version FROM schema_admission").Scan(&lowest); err != nil {
		return fmt.Errorf("read the lowest compatible schema version: %w", err)
	}
	if version < lowest {
		return fmt.Errorf("this binary's schema version is %d, but the database requires version %d or later: run a newer release",
			version, lowest)
	}
	return nil
}
