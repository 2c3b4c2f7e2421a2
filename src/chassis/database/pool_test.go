package database_test

import (
	"context"
	"database/sql"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/sync/errgroup"

	"tandem/src/chassis/database"
	"tandem/src/chassis/failure"
	"tandem/src/testkit/postgrestest"
	"tandem/src/testkit/telemetrytest"
)

// connections returns the process ids of the connections to the present database, but for
// that which asks.
func connections(t *testing.T, db *database.DB) (pids []int64) {
	t.Helper()
	const query = "SELECT pid FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid() ORDER BY pid"
	require.NoError(t, db.Read(t.Context(), database.Op{}, func(ctx context.Context, q database.Querier) (err error) {
		pids, err = database.CollectRows(ctx, q, func(row database.Row) (pid int64, err error) { return pid, row.Scan(&pid) }, query)
		return err
	}))
	return pids
}

func TestPool(t *testing.T) {
	config := func(t *testing.T) database.Config {
		return database.Config{Name: "test", URL: parse(t, postgrestest.URL(t)), MaxConns: 2, Migrations: migrations(1)}
	}

	t.Run("has as many connections as set, one for pings, and a metric of the wait", func(t *testing.T) {
		signals, _ := telemetrytest.New(t)
		db, err := database.Open(t.Context(), config(t), signals)
		require.NoError(t, err)
		defer db.Close()
		require.NoError(t, db.Ping(t.Context()))
		var busy errgroup.Group
		for range 6 {
			busy.Go(func() error {
				return db.Read(t.Context(), database.Op{}, func(ctx context.Context, q database.Querier) error {
					_, err := q.ExecContext(ctx, "SELECT pg_sleep(0.1)")
					return err
				})
			})
		}
		require.NoError(t, busy.Wait())
		require.Len(t, connections(t, db), 2, "two for requests and one for pings, one of which asks; none of migrations")
		families, err := signals.Registry.Gather()
		require.NoError(t, err)
		found := map[string]float64{}
		for _, family := range families {
			if strings.HasPrefix(family.GetName(), "go_sql_wait") || family.GetName() == "go_sql_max_open_connections" {
				found[family.GetName()] = family.Metric[0].GetCounter().GetValue() + family.Metric[0].GetGauge().GetValue()
			}
		}
		require.EqualValues(t, 2, found["go_sql_max_open_connections"])
		require.GreaterOrEqual(t, found["go_sql_wait_count_total"], 4.0)
		require.Greater(t, found["go_sql_wait_duration_seconds_total"], 0.1)
	})

	for name, limit := range map[string]func(*database.Config){
		"replaces connections after their time":   func(c *database.Config) { c.ConnLifetime = 50 * time.Millisecond },
		"closes connections that are not used":    func(c *database.Config) { c.ConnIdleTime = 50 * time.Millisecond },
		"keeps connections, if there is no limit": nil,
	} {
		t.Run(name, func(t *testing.T) {
			c := config(t)
			if limit != nil {
				limit(&c)
			}
			db, err := open(t, c, migrations(1))
			require.NoError(t, err)
			other, err := open(t, config(t), migrations(1))
			require.NoError(t, err)
			pid := func() (pid int64) {
				require.NoError(t, db.Read(t.Context(), database.Op{}, func(ctx context.Context, q database.Querier) error {
					return q.QueryRowContext(ctx, "SELECT pg_backend_pid()").Scan(&pid)
				}))
				return pid
			}
			first := pid()
			gone := func() bool {
				var n int
				require.NoError(t, other.Read(t.Context(), database.Op{}, func(ctx context.Context, q database.Querier) error {
					return q.QueryRowContext(ctx, "SELECT COUNT(*) FROM pg_stat_activity WHERE pid = $1", first).Scan(&n)
				}))
				return n == 0
			}
			if limit == nil {
				require.Never(t, gone, 300*time.Millisecond, 20*time.Millisecond)
				require.Equal(t, first, pid())
				return
			}
			require.Eventually(t, gone, 20*time.Second, 20*time.Millisecond)
		})
	}
}

func TestURLFile(t *testing.T) {
	t.Run("is read for each connection; without it the database is unavailable, until it is back", func(t *testing.T) {
		file := filepath.Join(t.TempDir(), "url")
		url := postgrestest.URL(t)
		require.NoError(t, os.WriteFile(file, []byte(url+"\n"), 0o600))
		db, err := open(t, database.Config{Name: "test", URLFile: file, ConnLifetime: time.Millisecond}, migrations(1))
		require.NoError(t, err)
		read := func() error {
			return db.Read(t.Context(), database.Op{}, func(ctx context.Context, q database.Querier) error {
				_, err := q.ExecContext(ctx, "SELECT 1")
				return err
			})
		}
		require.NoError(t, read())
		require.NoError(t, os.Remove(file))
		require.Eventually(t, func() bool { return failure.CodeOf(read()) == failure.Unavailable }, 10*time.Second, time.Millisecond)
		require.ErrorContains(t, db.Ping(t.Context()), "give a file that the service can read")
		require.NoError(t, os.WriteFile(file, []byte(url), 0o600))
		require.NoError(t, db.Ping(t.Context()))
		require.NoError(t, read())
	})
}

func TestRefusedConnections(t *testing.T) {
	t.Run("make Ping fail although its own connection is open, until they are taken again", func(t *testing.T) {
		server := role(t, "refused", "topsecret")
		admin, err := sql.Open("pgx", server.Admin.String())
		require.NoError(t, err)
		defer admin.Close()
		url := parse(t, "postgres://refused:topsecret@127.0.0.1:"+server.Port()+"/refused")
		db, err := open(t, database.Config{Name: "test", URL: url}, migrations(1))
		require.NoError(t, err)
		require.NoError(t, db.Ping(t.Context()))
		_, err = admin.Exec("ALTER ROLE refused PASSWORD 'another'")
		require.NoError(t, err)
		require.NoError(t, db.Ping(t.Context()), "nothing needs a connection")
		// The second of two reads at the same time needs one.
		err = db.Read(t.Context(), database.Op{}, func(ctx context.Context, q database.Querier) error {
			rows, err := q.QueryContext(ctx, "SELECT 1")
			require.NoError(t, err)
			defer rows.Close()
			_, err = q.ExecContext(ctx, "SELECT 2")
			return errors.Join(err, rows.Err())
		})
		require.Equal(t, failure.Unavailable, failure.CodeOf(err))
		require.ErrorContains(t, err, "password authentication failed")
		require.ErrorContains(t, db.Ping(t.Context()), "password authentication failed")
		_, err = admin.Exec("ALTER ROLE refused PASSWORD 'topsecret'")
		require.NoError(t, err)
		require.NoError(t, db.Ping(t.Context()))
	})
}
