package database

import (
	"context"
	"fmt"
	"io/fs"

	"github.com/pressly/goose/v3"
	"github.com/pressly/goose/v3/lock"
)

// migrate applies the migrations that the database lacks, one process at a
// time, and refuses a database that admits no binary of this version.
//
// A migration is a file NNNNN_what.sql in migrations/sqlite and another in
// migrations/postgres. It first expands the schema; a later release contracts
// it, so that two versions can serve at once. In its table schema_admission
// each database holds the lowest version whose binaries may still run on it,
// which a contracting migration raises; a binary's version is that of its newest
// migration.
func (db *DB) migrate(ctx context.Context, migrations fs.FS) error {
	provider, err := db.migrator(migrations)
	if err != nil {
		return fmt.Errorf("read the migrations: %w", err)
	}
	if _, err := provider.Up(ctx); err != nil {
		return fmt.Errorf("migrate: %w", err)
	}
	sources := provider.ListSources()
	return db.admit(ctx, sources[len(sources)-1].Version)
}

func (db *DB) migrator(migrations fs.FS) (*goose.Provider, error) {
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

// admit refuses a binary of a version that the database admits no longer.
func (db *DB) admit(ctx context.Context, version int64) error {
	var lowest int64
	if err := db.migrations.QueryRowContext(ctx, "SELECT lowest_version FROM schema_admission").Scan(&lowest); err != nil {
		return fmt.Errorf("read the lowest version that the schema admits: %w", err)
	}
	if version < lowest {
		return fmt.Errorf("this binary's schema version is %d, but the database has been changed for version %d or later: run a newer release", version, lowest)
	}
	return nil
}
