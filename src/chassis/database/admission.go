package database

import "context"

// LowestVersion returns the lowest schema version whose binaries may use the
// database: while it is lower than this binary's, older ones may write, too.
func (db *DB) LowestVersion(ctx context.Context) (lowest int64, err error) {
	op := Op{Name: "SELECT", Table: db.admissionTable()}
	err = db.Read(ctx, op, func(ctx context.Context, q Querier) error {
		return q.QueryRowContext(ctx, "SELECT lowest_version FROM "+db.admissionTable()).Scan(&lowest)
	})
	return lowest, err
}
