package cmd_test

import (
	"net/http"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// TestRotation changes the password under load. New connections must use the one that
// the file has at that moment.
func TestRotation(t *testing.T) {
	launch := func(env ...string) *process { return startReady(t, "orders", env...) }

	t.Run("to another role while both can log in refuses nothing", func(t *testing.T) {
		server, admin := createRole(t, "rotated", "old")
		file := writeURL(t, "postgres://rotated:old@127.0.0.1:"+server.Port()+"/rotated")
		execute(t, admin, "CREATE ROLE rotated_next LOGIN PASSWORD 'new' IN ROLE rotated")
		t.Cleanup(func() { execute(t, admin, "DROP ROLE rotated_next") })
		s := startStand(t, launch, "DATABASE_URL_FILE="+file, "DATABASE_CONNECTION_LIFETIME=500ms")
		begin := time.Now()
		replaceFile(t, file, "postgres://rotated_next:new@127.0.0.1:"+server.Port()+"/rotated?options=-crole%3Drotated")
		require.Eventually(t, func() bool {
			var old int
			require.NoError(t, admin.QueryRow("SELECT COUNT(*) FROM pg_stat_activity WHERE usename = 'rotated'").Scan(&old))
			return old == 0
		}, patience, 10*time.Millisecond, "no connection of the old role is left")
		execute(t, admin, "ALTER ROLE rotated NOLOGIN")
		const name = "the file of `DATABASE_URL_FILE` names another role, and the old one loses its login when it is unused"
		row := s.finish(t, name, begin, time.Now())
		samples, _ := s.since(begin)
		for _, x := range samples {
			require.True(t, x.good(), "%d %s", x.status, x.text)
		}
		require.Equal(t, "200", row.Readiness)
		record(t, row)
	})

	t.Run("at the server before the file makes it unready, and well as soon as the file is right", func(t *testing.T) {
		server, admin := createRole(t, "changed", "old")
		file := writeURL(t, "postgres://changed:old@127.0.0.1:"+server.Port()+"/changed")
		s := startStand(t, launch, "DATABASE_URL_FILE="+file, "DATABASE_CONNECTION_LIFETIME=500ms")
		begin := time.Now()
		execute(t, admin, "ALTER ROLE changed PASSWORD 'new'")
		s.awaitReadiness(t, begin, http.StatusServiceUnavailable)
		s.await(t, begin, "a refused request", func(x sample) bool { return x.status == http.StatusServiceUnavailable })
		require.Contains(t, s.orders.log.String(), `password authentication failed for user`)
		_, health := s.orders.get(t, "/health")
		require.Equal(t, "degraded", health["status"])
		ended := time.Now()
		replaceFile(t, file, "postgres://changed:new@127.0.0.1:"+server.Port()+"/changed\n")
		row := s.finish(t, "the role's password changes, and later the file of `DATABASE_URL_FILE`", begin, ended)
		require.NotEqual(t, "200", row.Readiness)
		record(t, row)
	})
}

// writeURL writes a file with a URL and returns its path.
func writeURL(t *testing.T, url string) string {
	t.Helper()
	file := filepath.Join(t.TempDir(), "url")
	require.NoError(t, os.WriteFile(file, []byte(url), 0o600))
	return file
}

// replaceFile replaces a file at once, as the kubelet does.
func replaceFile(t *testing.T, file, text string) {
	t.Helper()
	require.NoError(t, os.WriteFile(file+".new", []byte(text), 0o600))
	require.NoError(t, os.Rename(file+".new", file))
}
