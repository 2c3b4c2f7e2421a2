package cmd_test

import (
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestSmokeTest(t *testing.T) {
	t.Run("exits with 0 if the release works", func(t *testing.T) {
		users := startReady(t, "users", "DATA_DIR="+t.TempDir())
		orders := startReady(t, "orders", "DATA_DIR="+t.TempDir(), "USERS_URL="+users.url)
		usersTest := start(t, exec.Command(filepath.Join(bin, "users"), "test", "--url", users.url))
		require.Zero(t, usersTest.exit(t), "%s %s", usersTest.log, usersTest.stderr)
		ordersTest := start(t, exec.Command(filepath.Join(bin, "orders"), "test", "--url", orders.url, "--users-url", users.url))
		require.Zero(t, ordersTest.exit(t), "%s %s", ordersTest.log, ordersTest.stderr)
		require.Contains(t, ordersTest.log.String(), "ok   an order is created for the user")
	})

	t.Run("names the failed check and exits with 1 if the release is unreachable", func(t *testing.T) {
		const unreachable = "http://127.0.0.1:1"
		for program, flags := range map[string][]string{
			"users": {"--url=" + unreachable}, "orders": {"--url=" + unreachable, "--users-url=" + unreachable},
		} {
			p := start(t, exec.Command(filepath.Join(bin, program), append([]string{"test", "--retry-timeout=0s"}, flags...)...))
			require.Equal(t, 1, p.exit(t))
			require.Contains(t, p.log.String(), "FAIL the users service is healthy")
			require.Contains(t, p.stderr.String(), "the release does not work: the users service is healthy")
		}
	})
}
