package database_test

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"tandem/src/chassis/database"
	"tandem/src/testkit/postgrestest"
)

// writeRow inserts a row into the table t1.
func writeRow(ctx context.Context, db *database.DB, id int) error {
	return db.Write(ctx, database.Op{Name: "INSERT", Table: "t1"}, insert(id))
}

// openPair opens the database of a primary and a standby.
func openPair(t *testing.T, pair *postgrestest.Pair, parameters string) *database.DB {
	t.Helper()
	url := fmt.Sprintf("postgres://postgres@%s,%s/postgres%s", pair.Primary.Host, pair.Standby.Host, parameters)
	db, err := open(t, database.Config{Name: "test", URL: parse(t, url)}, migrations(1))
	require.NoError(t, err)
	for id := range 20 { // several connections
		require.NoError(t, writeRow(t.Context(), db, id))
	}
	return db
}

// requireWellWithin requires that a write and a ping succeed within a duration.
func requireWellWithin(t *testing.T, db *database.DB, limit time.Duration, id int) {
	t.Helper()
	started := time.Now()
	require.EventuallyWithT(t, func(c *assert.CollectT) {
		ctx, cancel := context.WithTimeout(t.Context(), 800*time.Millisecond) // as the readiness check has
		defer cancel()
		require.NoError(c, db.Ping(ctx))
	}, limit, 50*time.Millisecond)
	require.EventuallyWithT(t, func(c *assert.CollectT) {
		id += 100
		require.NoError(c, writeRow(t.Context(), db, id))
	}, limit-time.Since(started), 50*time.Millisecond)
	t.Logf("well after %v", time.Since(started).Round(time.Millisecond))
}

// A switchover leaves the old primary alive: its connections read, and take no writes.
func TestFailover(t *testing.T) {
	t.Run("goes to the standby that is promoted after the primary was killed", func(t *testing.T) {
		pair := postgrestest.NewPair(t, true)
		db := openPair(t, pair, "")
		pair.Primary.Kill(t)
		require.Error(t, writeRow(t.Context(), db, 50))
		require.Error(t, db.Ping(t.Context()), "a standby alone is not ready")
		pair.Standby.Promote(t)
		requireWellWithin(t, db, 5*time.Second, 1000)
		require.GreaterOrEqual(t, count(t, db, "t1"), 21, "nothing that was acknowledged is lost")
	})

	t.Run("leaves an old primary that lives on read-only", func(t *testing.T) {
		pair := postgrestest.NewPair(t, false)
		db := openPair(t, pair, "?target_session_attrs=read-write")
		pair.Primary.Exec(t, "ALTER SYSTEM SET default_transaction_read_only = on")
		pair.Primary.Exec(t, "SELECT pg_reload_conf()")
		pair.Standby.Promote(t)
		requireWellWithin(t, db, 5*time.Second, 1000)
		for id := range 50 { // on every connection
			require.NoError(t, writeRow(t.Context(), db, 5000+id))
		}
	})

	t.Run("passes a host that takes connections and never answers", func(t *testing.T) {
		pair := postgrestest.NewPair(t, false)
		db := openPair(t, pair, "")
		pair.Primary.Freeze(t)
		pair.Standby.Promote(t)
		requireWellWithin(t, db, 15*time.Second, 1000)
		started := time.Now()
		for id := range 20 {
			require.NoError(t, writeRow(t.Context(), db, 5000+id))
		}
		require.Less(t, time.Since(started), 2*time.Second, "the good host is remembered")
	})

	t.Run("starts on the second host when the first never answers", func(t *testing.T) {
		pair := postgrestest.NewPair(t, false)
		pair.Standby.Promote(t)
		pair.Primary.Freeze(t)
		url := fmt.Sprintf("postgres://postgres@%s,%s/postgres", pair.Primary.Host, pair.Standby.Host)
		started := time.Now()
		db, err := open(t, database.Config{Name: "test", URL: parse(t, url)}, migrations(1))
		require.NoError(t, err)
		require.NoError(t, db.Ping(t.Context()))
		require.Less(t, time.Since(started), 6*time.Second)
	})

	t.Run("is not ready on a standby", func(t *testing.T) {
		pair := postgrestest.NewPair(t, false)
		db, err := open(t, database.Config{Name: "test", URL: parse(t, pair.Primary.URL("postgres"))}, migrations(1))
		require.NoError(t, err)
		require.NoError(t, db.Ping(t.Context()))
		pair.Primary.Exec(t, "ALTER SYSTEM SET default_transaction_read_only = on")
		pair.Primary.Exec(t, "SELECT pg_reload_conf()")
		require.Eventually(t, func() bool { return db.Ping(t.Context()) != nil }, 5*time.Second, 50*time.Millisecond)
		require.Zero(t, count(t, db, "t1"), "reads go on")
		require.Error(t, writeRow(t.Context(), db, 1))
	})
}

// Operations do not fail because the connections that they find are out of date.
func TestStaleConnections(t *testing.T) {
	prepare := func(t *testing.T) (*database.DB, string) {
		t.Helper()
		url := postgrestest.URL(t)
		db, err := open(t, database.Config{Name: "test", URL: parse(t, url)}, migrations(1))
		require.NoError(t, err)
		require.NoError(t, writeRow(t.Context(), db, 1))
		return db, url
	}
	// read reads by ten callers at once, 200 times.
	read := func(t *testing.T, db *database.DB) {
		t.Helper()
		failed := make(chan error, 200)
		for range 10 {
			go func() {
				for range 20 {
					failed <- db.Read(t.Context(), database.Op{Name: "SELECT", Table: "t1"}, func(ctx context.Context, q database.Querier) error {
						var id, at any
						return q.QueryRowContext(ctx, "SELECT * FROM t1 WHERE id = $1", 1).Scan(&id, &at)
					})
				}
			}()
		}
		for range 200 {
			require.NoError(t, <-failed)
		}
	}

	t.Run("reads survive the end of all sessions", func(t *testing.T) {
		db, url := prepare(t)
		read(t, db)
		executeSQL(t, url, "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()")
		read(t, db)
		require.NoError(t, db.Ping(t.Context()))
	})

	t.Run("reads survive a column that changes its type", func(t *testing.T) {
		db, url := prepare(t)
		read(t, db)
		executeSQL(t, url, "ALTER TABLE t1 ALTER COLUMN id TYPE numeric")
		read(t, db)
	})

	t.Run("a write in a transaction survives the end of all sessions", func(t *testing.T) {
		db, url := prepare(t)
		executeSQL(t, url, "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()")
		require.NoError(t, writeRow(t.Context(), db, 2))
		require.Equal(t, 2, count(t, db, "t1"))
	})

	// PL/pgSQL keeps the type that a parameter of its statements had in each session.
	t.Run("a write survives a trigger whose column has changed its type", func(t *testing.T) {
		db, url := prepare(t)
		executeSQL(t, url, `CREATE TABLE sums (n integer NOT NULL); INSERT INTO sums VALUES (0);
			CREATE FUNCTION add() RETURNS trigger LANGUAGE plpgsql AS $$ DECLARE old_n sums.n%TYPE; BEGIN
				UPDATE sums SET n = n + NEW.id RETURNING n INTO old_n; RETURN NEW; END $$;
			CREATE TRIGGER add AFTER INSERT ON t1 FOR EACH ROW EXECUTE FUNCTION add()`)
		for id := range 20 {
			require.NoError(t, writeRow(t.Context(), db, 10+id))
		}
		executeSQL(t, url, "ALTER TABLE t1 ALTER COLUMN id TYPE integer")
		for id := range 20 {
			require.NoError(t, writeRow(t.Context(), db, 100+id))
		}
	})
}
