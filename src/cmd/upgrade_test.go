package cmd_test

import (
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"

	"tandem/src/chassis/settings"
	"tandem/src/testkit/postgrestest"
	"tandem/src/testkit/servicetest"
)

// releaseBefore is the last revision whose services shared the names of their
// version tables.
const releaseBefore = "e229f6e8676bfa71385d32491c182b485080a87d"

// buildBefore builds the services of the release before and returns their folder
// below bin. Without that revision, as in a shallow clone, it skips the test.
func buildBefore(t *testing.T) string {
	t.Helper()
	if exec.Command("git", "cat-file", "-e", releaseBefore+"^{commit}").Run() != nil {
		t.Skip("this clone does not have the release before")
	}
	source := t.TempDir()
	archive := filepath.Join(source, "source.tar")
	for _, command := range []*exec.Cmd{
		exec.Command("git", "-C", "../..", "archive", "--output="+archive, releaseBefore, "go.mod", "go.sum", "src"),
		exec.Command("tar", "-xf", archive, "-C", source),
		exec.Command("go", "build", "-C", source, "-buildvcs=false", "-o", filepath.Join(bin, "before")+"/",
			"./src/cmd/users", "./src/cmd/orders"),
	} {
		command.Env = append(os.Environ(), "CGO_ENABLED=0")
		out, err := command.CombinedOutput()
		require.NoError(t, err, "%s: %s", command, out)
	}
	return "before"
}

// TestReleaseBefore runs the release before, this one, and the one before again,
// as an upgrade and a rollback do, on the store that the first has made.
func TestReleaseBefore(t *testing.T) {
	before := buildBefore(t)
	usersURL, _, respond := slowUsers(t)
	close(respond)
	for program, path := range map[string]string{"users": "/users", "orders": "/orders"} {
		t.Run(program, func(t *testing.T) {
			servicetest.OnBothDatabases(t, func(t *testing.T, config settings.Service) {
				env := append(storeEnv(config), "SEED_DEMO_DATA=true", "USERS_URL="+usersURL)
				locations := map[string]bool{}
				for n, binary := range []string{filepath.Join(before, program), program, filepath.Join(before, program), program} {
					p := startReady(t, binary, env...)
					response, list := p.get(t, path)
					require.Equal(t, http.StatusOK, response.StatusCode)
					if program == "users" {
						require.EqualValues(t, 3, list["count"])
					} else {
						require.EqualValues(t, 3+min(n, 1)+n, list["count"], "the first run has added one, and each another one")
						location, err := postOrder(p.url, "the same key each time")
						require.NoError(t, err)
						locations[location] = true
						require.Len(t, locations, 1, "every release replays it")
						location, err = postOrder(p.url, fmt.Sprint("a key of run ", n))
						require.NoError(t, err)
						ship(t, p.url+location) // counts an order that the other release may have counted before
						_, stats := p.get(t, "/orders/stats")
						require.EqualValues(t, 5+n, stats["total_orders"])
						require.EqualValues(t, map[string]any{"pending": 2.0, "shipped": 2.0 + float64(n), "completed": 1.0}, stats["orders_by_status"])
					}
					p.signal(t, syscall.SIGTERM)
					require.Zero(t, p.exit(t), p.stderr)
				}
			})
		})
	}
}

// ship changes the status of an order.
func ship(t *testing.T, order string) {
	t.Helper()
	request, err := http.NewRequestWithContext(t.Context(), http.MethodPatch, order, strings.NewReader(`{"status": "shipped"}`))
	require.NoError(t, err)
	request.Header.Set("Content-Type", "application/json")
	response, err := http.DefaultClient.Do(request)
	require.NoError(t, err)
	defer response.Body.Close()
	require.Equal(t, http.StatusOK, response.StatusCode)
}

// TestOneDatabase runs both services on one PostgreSQL database.
func TestOneDatabase(t *testing.T) {
	database := "DATABASE_URL=" + postgrestest.URL(t)
	for range 2 { // the second start finds the tables of both
		users := startReady(t, "users", database, "SEED_DEMO_DATA=true")
		orders := startReady(t, "orders", database, "SEED_DEMO_DATA=true", "USERS_URL="+users.url)
		_, details := orders.get(t, "/orders/1/details")
		require.Equal(t, "success", details["communication_status"])
		_, err := postOrder(orders.url, "k")
		require.NoError(t, err)
		for _, p := range []*process{users, orders} {
			p.signal(t, syscall.SIGTERM)
			require.Zero(t, p.exit(t), p.stderr)
		}
	}
}

// storeEnv returns the variables of a service on a store.
func storeEnv(config settings.Service) []string {
	env := []string{"DATA_DIR=" + config.DataDir}
	if config.DatabaseURL != "" {
		env = append(env, "DATABASE_URL="+config.DatabaseURL.Raw())
	}
	return env
}
