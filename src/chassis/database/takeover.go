package database

import (
	"context"
	"database/sql"
	"fmt"

	"github.com/pressly/goose/v3/database"
)

// The tables of release 0.1, which had the same names in every service. Its
// binaries still start on a database that has them: the version table stays, and a
// view of the service's own admission has the old name, so that a later migration
// can refuse them.
const (
	oldVersionTable   = "goose_db_version"
	oldAdmissionTable = "schema_admission"
)

// takeOver makes the versions that release 0.1 has stored for this service tables
// that only this service uses, once.
func (db *DB) takeOver(ctx context.Context) error {
	tx, err := db.migrations.BeginTx(ctx, nil)
	if err != nil {
		return err
	}
	defer func() { _ = tx.Rollback() }() // fails after the commit
	// With the service's table but without its version table, it is a store of release 0.1.
	for table, want := range map[string]bool{db.versionTable(): false, oldVersionTable: true, db.name: true} {
		exists, err := db.tableExists(ctx, tx, table)
		if err != nil {
			return err
		}
		if exists != want {
			return nil
		}
	}
	if err := db.copyVersions(ctx, tx); err != nil {
		return fmt.Errorf("take over the database of release 0.1: %w", err)
	}
	return tx.Commit()
}

// copyVersions creates the service's own tables of versions from the old ones.
func (db *DB) copyVersions(ctx context.Context, tx *sql.Tx) error {
	from, err := database.NewStore(db.dialect(), oldVersionTable)
	if err != nil {
		return err
	}
	to, err := database.NewStore(db.dialect(), db.versionTable())
	if err != nil {
		return err
	}
	applied, err := from.ListMigrations(ctx, tx)
	if err != nil {
		return err
	}
	if err := to.CreateVersionTable(ctx, tx); err != nil {
		return err
	}
	for i := len(applied) - 1; i >= 0; i-- { // the oldest first
		if err := to.Insert(ctx, tx, database.InsertRequest{Version: applied[i].Version}); err != nil {
			return err
		}
	}
	const admission = "ALTER TABLE %[2]s RENAME TO %[1]s; CREATE VIEW %[2]s AS SELECT lowest_version FROM %[1]s"
	_, err = tx.ExecContext(ctx, fmt.Sprintf(admission, db.admissionTable(), oldAdmissionTable))
	return err
}

// tableExists reports whether the database has a table.
func (db *DB) tableExists(ctx context.Context, q Querier, name string) (exists bool, err error) {
	query := "SELECT EXISTS (SELECT 1 FROM sqlite_master WHERE type = 'table' AND name = $1)"
	if db.system == postgresSystem {
		query = "SELECT to_regclass($1) IS NOT NULL"
	}
	err = q.QueryRowContext(ctx, query, name).Scan(&exists)
	return exists, err
}
