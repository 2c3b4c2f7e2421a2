//go:build !next

package orders_test

import (
	"io/fs"
	"testing"

	"github.com/stretchr/testify/require"

	"tandem/src/orders"
)

// TestMigrations checks that a release does not contain the migrations of the
// build tag next.
func TestMigrations(t *testing.T) {
	files, err := fs.Glob(orders.Migrations(), "migrations/*/*")
	require.NoError(t, err)
	require.Equal(t, []string{"migrations/postgres/00001_orders.sql", "migrations/sqlite/00001_orders.sql"}, files)
}
