//go:build !next

package orders_test

import (
	"io/fs"
	"path"
	"testing"

	"github.com/stretchr/testify/require"

	"tandem/src/orders"
)

// TestMigrations checks that a release does not contain the migrations of the
// build tag next, and that it has the same ones for both databases.
func TestMigrations(t *testing.T) {
	files, err := fs.Glob(orders.Migrations(), "migrations/*/*")
	require.NoError(t, err)
	names := map[string][]string{}
	for _, file := range files {
		require.Less(t, path.Base(file), "90000", "it belongs to the build tag next")
		names[path.Dir(file)] = append(names[path.Dir(file)], path.Base(file))
	}
	require.Contains(t, names["migrations/sqlite"], "00001_orders.sql")
	require.Equal(t, names["migrations/sqlite"], names["migrations/postgres"], "each migration is there for both databases")
}
