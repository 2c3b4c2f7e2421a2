package cmd_test

import (
	"database/sql"
	"net/http"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"tandem/src/testkit/postgrestest"
)

// TestFailover lets a standby take over under load. DATABASE_URL has both hosts.
func TestFailover(t *testing.T) {
	for _, tt := range []struct {
		name, situation string
		synchronous     bool
		fail            func(t *testing.T, primary *postgrestest.Server)
	}{
		{
			"after the primary was killed", "the primary is killed, and its synchronous standby is promoted", true,
			func(t *testing.T, primary *postgrestest.Server) { primary.Kill(t) },
		},
		{
			"while the old primary lives on read-only", "a switchover: the primary becomes read-only, and the standby is promoted", false,
			func(t *testing.T, primary *postgrestest.Server) {
				primary.Exec(t, "ALTER SYSTEM SET default_transaction_read_only = on")
				primary.Exec(t, "SELECT pg_reload_conf()")
			},
		},
		{
			"while the old primary takes connections and never answers", "the primary freezes, and its synchronous standby is promoted", true,
			func(t *testing.T, primary *postgrestest.Server) { primary.Freeze(t) },
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			pair := postgrestest.NewPair(t, tt.synchronous)
			url := "DATABASE_URL=postgres://postgres@" + pair.Primary.Host + "," + pair.Standby.Host + "/postgres"
			s := startStand(t, func(env ...string) *process { return startReady(t, "orders", env...) }, url)
			begin := time.Now()
			tt.fail(t, pair.Primary)
			s.await(t, begin, "a refused request", func(x sample) bool { return x.status == http.StatusServiceUnavailable })
			s.awaitReadiness(t, begin, http.StatusServiceUnavailable)
			pair.Standby.Promote(t)
			record(t, s.finish(t, tt.situation, begin, time.Now()))
			require.NotContains(t, s.orders.log.String(), "panic")
		})
	}
}

// TestConnections breaks the connections of a service under load.
func TestConnections(t *testing.T) {
	const terminate = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()"
	launch := func(env ...string) *process { return startReady(t, "orders", env...) }

	t.Run("that the server ends", func(t *testing.T) {
		url := postgrestest.URL(t)
		s := startStand(t, launch, "DATABASE_URL="+url)
		begin := time.Now()
		executeAt(t, url, terminate)
		ended := time.Now()
		row := s.finish(t, "the server ends all connections", begin, ended)
		requireNoReadFailed(t, s, begin)
		record(t, row)
	})

	t.Run("whose statements have a column of an earlier type", func(t *testing.T) {
		url := postgrestest.URL(t)
		s := startStand(t, launch, "DATABASE_URL="+url)
		begin := time.Now()
		executeAt(t, url, "ALTER TABLE order_stats ALTER COLUMN revenue_cents TYPE numeric(30)")
		ended := time.Now()
		row := s.finish(t, "a column changes its type", begin, ended)
		requireNoReadFailed(t, s, begin)
		record(t, row)
	})

	for _, mode := range []string{postgrestest.SessionPooling, postgrestest.TransactionPooling} {
		t.Run("through PgBouncer in the mode "+mode, func(t *testing.T) {
			direct := postgrestest.URL(t)
			s := startStand(t, launch, "DATABASE_URL="+postgrestest.Pooler(t, direct, mode))
			begin := time.Now()
			s.await(t, begin.Add(2*time.Second), "two seconds of load", sample.good)
			row := s.finish(t, "behind PgBouncer in its packaged settings, pool mode "+mode, begin, time.Now())
			require.Equal(t, "no failure", row.Caller)
			require.Equal(t, "200", row.Readiness)
			record(t, row)
		})
	}
}

// executeAt runs a statement in the database of a URL.
func executeAt(t *testing.T, url, statement string) {
	t.Helper()
	db, err := sql.Open("pgx", url)
	require.NoError(t, err)
	defer db.Close()
	execute(t, db, statement)
}

// requireNoReadFailed requires that each read since a time was answered in full.
func requireNoReadFailed(t *testing.T, s *stand, begin time.Time) {
	t.Helper()
	samples, _ := s.since(begin)
	for _, x := range samples {
		require.True(t, x.write || x.good(), "%d %s", x.status, x.text)
	}
}
