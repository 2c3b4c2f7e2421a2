package database

import "context"

// Row is one row of a query result.
type Row interface{ Scan(dest ...any) error }

// CollectRows runs a query and returns what scan makes of each row, in the
// order of the rows. Without an error the slice is never nil.
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
