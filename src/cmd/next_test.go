package cmd_test

import (
	"context"
	"os/exec"
	"path/filepath"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"

	"tandem/src/chassis/database"
	"tandem/src/chassis/settings"
	"tandem/src/orders"
	"tandem/src/testkit/servicetest"
	"tandem/src/testkit/telemetrytest"
)

// TestRollback runs this release, the next one, which migrates the schema, and
// then this one again, all on one database.
func TestRollback(t *testing.T) {
	out, err := exec.Command("go", "build", "-tags", "next", "-o", filepath.Join(bin, "orders-next"), "./orders").CombinedOutput()
	require.NoError(t, err, "%s", out)
	users, _, respond := slowUsers(t)
	close(respond)
	servicetest.OnBothDatabases(t, func(t *testing.T, config settings.Service) {
		env := append(storeEnv(config), "USERS_URL="+users)
		for _, program := range []string{"orders", "orders-next", "orders"} {
			p := startReady(t, program, env...)
			_, err := postOrder(p.url, t.Name())
			require.NoError(t, err, "every release replays the first order for its key")
			_, err = postOrder(p.url, program)
			require.NoError(t, err)
			p.signal(t, syscall.SIGTERM)
			require.Zero(t, p.exit(t), p.stderr)
		}
		require.Equal(t, 3, countNotes(t, config))
	})
}

// countNotes counts the orders with a value in the column note, which the next
// release adds.
func countNotes(t *testing.T, config settings.Service) (n int) {
	t.Helper()
	signals, _ := telemetrytest.New(t)
	db, err := database.Open(t.Context(), database.Config{
		Name: "orders", URL: config.DatabaseURL, DataDir: config.DataDir, Migrations: orders.Migrations(),
	}, signals)
	require.NoError(t, err)
	defer db.Close()
	require.NoError(t, db.Read(t.Context(), database.Op{}, func(ctx context.Context, q database.Querier) error {
		return q.QueryRowContext(ctx, "SELECT COUNT(note) FROM orders").Scan(&n)
	}))
	return n
}
