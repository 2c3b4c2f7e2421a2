package database

import "context"

// Seed runs insert in a transaction if the table is empty. insert chooses the
// ids of its rows; the ids that the database generates later continue after
// them. If several processes seed at the same time, one inserts.
func (db *DB) Seed(ctx context.Context, table string, insert OpFunc) error {
	return db.WriteLocked(ctx, Op{Name: "INSERT", Table: table}, func(ctx context.Context, q Querier) error {
		var hasRows bool
		if err := q.QueryRowContext(ctx, "SELECT EXISTS (SELECT 1 FROM "+table+")").Scan(&hasRows); err != nil || hasRows {
			return err
		}
		if err := insert(ctx, q); err != nil {
			return err
		}
		return db.advanceSequence(ctx, q, table)
	})
}

// advanceSequence sets PostgreSQL's id sequence to the greatest id of the
// table. SQLite's AUTOINCREMENT needs no such step.
func (db *DB) advanceSequence(ctx context.Context, q Querier, table string) error {
	if db.system != postgresSystem {
		return nil
	}
	_, err := q.ExecContext(ctx, "SELECT setval(pg_get_serial_sequence('"+table+"', 'id'), (SELECT MAX(id) FROM "+table+"))")
	return err
}
