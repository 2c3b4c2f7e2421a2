package orders_test

import (
	"context"
	"testing"

	"github.com/stretchr/testify/require"

	"tandem/src/chassis/database"
	"tandem/src/chassis/settings"
	"tandem/src/orders"
	"tandem/src/testkit/servicetest"
	"tandem/src/testkit/telemetrytest"
)

// openDatabase opens the database of an orders service with the settings in config.
func openDatabase(t testing.TB, config settings.Service) *database.DB {
	t.Helper()
	signals, _ := telemetrytest.New(t)
	db, err := database.Open(t.Context(), database.Config{
		Name: "orders", URL: config.DatabaseURL, DataDir: config.DataDir, Migrations: orders.Migrations(),
	}, signals)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, db.Close()) })
	return db
}

// testStore runs a subtest against the store without the service, once on SQLite
// and once on PostgreSQL.
func testStore(t *testing.T, name string, test func(t *testing.T, store *orders.Store, db *database.DB)) {
	t.Run(name, func(t *testing.T) {
		servicetest.OnBothDatabases(t, func(t *testing.T, config settings.Service) {
			db := openDatabase(t, config)
			test(t, orders.NewStore(db), db)
		})
	})
}

func exec(t *testing.T, db *database.DB, statement string, args ...any) {
	t.Helper()
	require.NoError(t, db.Exec(t.Context(), database.Op{Name: "TEST", Table: "test"}, func(ctx context.Context, q database.Querier) error {
		_, err := q.ExecContext(ctx, statement, args...)
		return err
	}))
}
