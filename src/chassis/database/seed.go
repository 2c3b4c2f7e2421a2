package database

import "context"

// Seed runs insert, which gives its rows' ids itself, if the table is empty,
// and lets the ids that the database gives go on behind them. Of several
// processes that seed at once, one does.
func (db *DB) Seed(ctx context.Context, table string, insert TxFunc) error {
	return db.Write(ctx, Op{Name: "INSERT", Table: table}, func(ctx context.Context, q Querier) error {
		if db.system == postgresSystem { // SQLite's writing transactions exclude each other anyway
			if _, err := q.ExecContext(ctx, "LOCK TABLE "+table+" IN SHARE ROW EXCLUSIVE MODE"); err != nil {
				return err
			}
		}
		var used bool
		if err := q.QueryRowContext(ctx, "SELECT EXISTS (SELECT 1 FROM "+table+")").Scan(&used); err != nil || used {
			return err
		}
		if err := insert(ctx, q); err != nil {
			return err
		}
		return db.continueIDs(ctx, q, table)
	})
}

// continueIDs makes PostgreSQL's next id follow the greatest; SQLite's
// AUTOINCREMENT does so by itself.
func (db *DB) continueIDs(ctx context.Context, q Querier, table string) error {
	if db.system != postgresSystem {
		return nil
	}
	_, err := q.ExecContext(ctx, "SELECT setval(pg_get_serial_sequence('"+table+"', 'id'), (SELECT MAX(id) FROM "+table+"))")
	return err
}
