package postgrestest_test

import (
	"database/sql"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"tandem/src/testkit/postgrestest"
)

func TestPair(t *testing.T) {
	t.Run("a_promoted_standby_has_what_the_primary_has_acknowledged", func(t *testing.T) {
		pair := postgrestest.NewPair(t, true)
		pair.Primary.Exec(t, "CREATE TABLE x (n int)")
		pair.Primary.Exec(t, "INSERT INTO x VALUES (7)")
		pair.Primary.Kill(t)
		pair.Standby.Promote(t)
		require.Equal(t, 7, count(t, pair.Standby.URL("postgres")))
		pair.Standby.Exec(t, "INSERT INTO x VALUES (8)")
	})
	t.Run("a_frozen_server_does_not_respond", func(t *testing.T) {
		pair := postgrestest.NewPair(t, false)
		pair.Primary.Freeze(t)
		pool, err := sql.Open("pgx", pair.Primary.URL("postgres")+"?connect_timeout=1")
		require.NoError(t, err)
		defer pool.Close()
		started := time.Now()
		require.Error(t, pool.Ping())
		require.GreaterOrEqual(t, time.Since(started), 900*time.Millisecond)
		pair.Primary.Thaw(t)
		require.NoError(t, pool.Ping())
	})
}

func TestPooler(t *testing.T) {
	for _, mode := range []string{postgrestest.SessionPooling, postgrestest.TransactionPooling} {
		t.Run("leads_to_the_same_database_in_the_mode_"+mode, func(t *testing.T) {
			direct := postgrestest.URL(t)
			pool, err := sql.Open("pgx", direct)
			require.NoError(t, err)
			defer pool.Close()
			_, err = pool.Exec("CREATE TABLE x (n int); INSERT INTO x VALUES (7)")
			require.NoError(t, err)
			require.Equal(t, 7, count(t, postgrestest.Pooler(t, direct, mode)))
		})
	}
}

// count returns the number in the only row of the table x.
func count(t *testing.T, address string) (n int) {
	t.Helper()
	pool, err := sql.Open("pgx", address)
	require.NoError(t, err)
	defer pool.Close()
	require.NoError(t, pool.QueryRow("SELECT n FROM x").Scan(&n))
	return n
}
