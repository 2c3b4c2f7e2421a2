package database

import (
	"context"
	"database/sql"
	"errors"
	"fmt"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/stdlib"
)

// detectPooler finds out whether a pooler gives each transaction another server
// connection without keeping prepared statements, as PgBouncer's transaction mode does
// before version 1.21 and without max_prepared_statements. The service then uses none.
//
// One connection prepares a statement, a second one holds the server connection on which
// it was prepared, and the first one executes it. A busy pooler may hide this; then the
// first error of an operation shows it (see replaceStale).
func (db *DB) detectPooler(ctx context.Context) error {
	if db.source == nil || db.source.pooled.Load() {
		return nil
	}
	preparing, err := db.migrations.Conn(ctx)
	if err != nil {
		return err
	}
	defer preparing.Close()
	err = withPgx(preparing, func(conn *pgx.Conn) error {
		_, err := conn.Prepare(ctx, pooledStatement, "SELECT 1")
		return err
	})
	if err == nil {
		err = db.executeElsewhere(ctx, preparing)
	}
	if pgErr, ok := errors.AsType[*pgconn.PgError](err); ok && lacksStatement(pgErr) {
		db.source.useWithoutPrepared()
		return nil
	}
	if err != nil {
		return fmt.Errorf("find out whether prepared statements are kept: %w", err)
	}
	return nil
}

// pooledStatement is the name of the prepared statement of detectPooler.
const pooledStatement = "tandem_pooler"

// executeElsewhere executes the statement that a connection has prepared while another
// one is in a transaction.
func (db *DB) executeElsewhere(ctx context.Context, preparing *sql.Conn) error {
	tx, err := db.migrations.BeginTx(ctx, nil)
	if err != nil {
		return err
	}
	defer func() { _ = tx.Rollback() }() // nothing to commit
	if _, err := tx.ExecContext(ctx, "SELECT 1"); err != nil {
		return err
	}
	return withPgx(preparing, func(conn *pgx.Conn) error {
		if err := conn.PgConn().ExecPrepared(ctx, pooledStatement, nil, nil, nil).Read().Err; err != nil {
			return err
		}
		return conn.Deallocate(ctx, pooledStatement)
	})
}

// withPgx runs do with pgx's connection of a connection of the pool.
func withPgx(conn *sql.Conn, do func(*pgx.Conn) error) error {
	return conn.Raw(func(driverConn any) error { return do(driverConn.(*stdlib.Conn).Conn()) })
}
