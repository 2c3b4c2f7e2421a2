package database

import "context"

// Row is one row of a query result.
type Row interface{ Scan(dest ...any) error }

// CollectRows runs a query and returns one value for each row, which scan reads
// from the row. If there are no rows, it returns an empty slice, not nil.
func CollectRows[T any](ctx context.Context, q Querier, scan func(Row) (T, error), query string, args ...any) ([]T, error) {
	rows, err := q.QueryContext(ctx, query, args...)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	values := []T{}
	for rows.Next() {
		value, err := scan(rows)
		if err != nil {
			return nil, err
		}
		values = append(values, value)
	}
	return values, rows.Err()
}
