package database_test

import (
	"context"
	"database/sql"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/sync/errgroup"

	"tandem/src/chassis/database"
	"tandem/src/testkit/postgrestest"
	"tandem/src/testkit/telemetrytest"
)

// executeSQL runs statements in a database.
func executeSQL(t *testing.T, url, statements string) {
	t.Helper()
	execute(t, database.Config{URL: parse(t, url)}, statements)
}

// TestPooler serves through PgBouncer with the settings that it is packaged with.
func TestPooler(t *testing.T) {
	for _, mode := range []string{postgrestest.SessionPooling, postgrestest.TransactionPooling} {
		t.Run("in the mode "+mode, func(t *testing.T) {
			direct := postgrestest.URL(t)
			config := database.Config{Name: "test", URL: parse(t, postgrestest.Pooler(t, direct, mode))}
			db, err := open(t, config, migrations(1))
			require.NoError(t, err)
			require.NoError(t, db.Ping(t.Context()))
			var callers errgroup.Group
			for caller := range 20 {
				callers.Go(func() error {
					for n := range 20 {
						if err := writeRow(t.Context(), db, caller*100+n); err != nil {
							return err
						}
						if err := db.Read(t.Context(), database.Op{Name: "SELECT", Table: "t1"}, func(ctx context.Context, q database.Querier) error {
							var at time.Time
							return q.QueryRowContext(ctx, "SELECT at FROM t1 WHERE id = $1", caller*100+n).Scan(&at)
						}); err != nil {
							return err
						}
					}
					return nil
				})
			}
			require.NoError(t, callers.Wait())
			require.Equal(t, 400, count(t, db, "t1"))
		})

		t.Run("migrates once in the mode "+mode, func(t *testing.T) {
			direct := postgrestest.URL(t)
			url := postgrestest.Pooler(t, direct, mode)
			var starts errgroup.Group
			var mu sync.Mutex
			for range 5 {
				starts.Go(func() error {
					mu.Lock()
					signals, _ := telemetrytest.New(t)
					mu.Unlock()
					db, err := database.Open(t.Context(), database.Config{Name: "test", URL: parse(t, url), Migrations: migrations(1, 1, 1)}, signals)
					if err != nil {
						return err
					}
					return db.Close()
				})
			}
			require.NoError(t, starts.Wait())
		})

		t.Run("waits for a release that holds the lock in a session, in the mode "+mode, func(t *testing.T) {
			direct := postgrestest.URL(t)
			pool, err := sql.Open("pgx", direct)
			require.NoError(t, err)
			defer pool.Close()
			other, err := pool.Conn(t.Context())
			require.NoError(t, err)
			_, err = other.ExecContext(t.Context(), "SELECT pg_advisory_lock(4097083626)") // goose's key
			require.NoError(t, err)
			signals, _ := telemetrytest.New(t)
			ctx, cancel := context.WithTimeout(t.Context(), 2*time.Second)
			defer cancel()
			config := database.Config{Name: "test", URL: parse(t, postgrestest.Pooler(t, direct, mode)), Migrations: migrations(1)}
			_, err = database.Open(ctx, config, signals)
			require.ErrorIs(t, err, context.DeadlineExceeded)
			var exists bool
			require.NoError(t, pool.QueryRow("SELECT to_regclass('t1') IS NOT NULL").Scan(&exists))
			require.False(t, exists)
			require.NoError(t, other.Close())
		})
	}
}
