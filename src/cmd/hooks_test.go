package cmd_test

import (
	"bytes"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/require"
)

// TestProductionBinary shows that the test hooks exist only in programs that are
// built with the tag testhooks. TestTestHooksBinary is its negative control: it
// looks in the same places and finds each hook.
func TestProductionBinary(t *testing.T) {
	t.Run("does not contain the code of the test hooks", func(t *testing.T) {
		for _, program := range []string{"users", "orders", "tandem"} {
			require.NotContains(t, dependencies(t, program), faultPackage, program)
			require.Empty(t, hookNames(t, filepath.Join(bin, program)), program)
		}
	})
	t.Run("does not list the settings of the test hooks in its help", func(t *testing.T) {
		for _, program := range []string{"users", "orders", "tandem"} {
			text := help(t, filepath.Join(bin, program))
			require.NotContains(t, text, "FAULT_PORT", program)
			require.NotContains(t, text, "USERS_DISABLE", program)
		}
	})
	t.Run("refuses the flags of the test hooks", func(t *testing.T) {
		for flag, program := range map[string]string{"--fault-port=1": "users", "--users-disable=retries": "orders"} {
			p := start(t, exec.Command(filepath.Join(bin, program), flag))
			require.Equal(t, 2, p.exit(t))
			name, _, _ := strings.Cut(flag, "=")
			require.Contains(t, p.stderr.String(), "unknown flag "+name)
		}
	})
	t.Run("does not listen on FAULT_PORT", func(t *testing.T) {
		for _, program := range []string{"users", "orders"} {
			port := freePort(t)
			p := startReady(t, program, "FAULT_PORT="+port)
			require.Error(t, dial(port), program)
			require.NotContains(t, p.log.String(), "FAULT_PORT")
		}
	})
	t.Run("ignores USERS_DISABLE", func(t *testing.T) {
		url, requests := failingUsers(t)
		orders := startReady(t, "orders", "USERS_URL="+url, "SEED_DEMO_DATA=true", "USERS_DISABLE=retries,luck")
		_, _ = orders.get(t, "/orders/1/details")
		require.EqualValues(t, 3, requests.Load(), "an attempt and two retries")
		require.NotContains(t, orders.log.String(), "USERS_DISABLE")
		require.NotContains(t, orders.log.String(), "are disabled")
	})
}

func TestTestHooksBinary(t *testing.T) {
	tagged := filepath.Join(bin, "testhooks")
	require.NoError(t, os.MkdirAll(tagged, 0o755))
	out, err := exec.Command("go", "build", "-tags", "testhooks", "-o", tagged+"/", "./users", "./orders").CombinedOutput()
	require.NoError(t, err, "%s", out)
	t.Run("contains the code of the test hooks", func(t *testing.T) {
		require.Contains(t, dependencies(t, "users", "-tags=testhooks"), faultPackage)
		require.Equal(t, []string{faultPackage, "FaultPort"}, hookNames(t, filepath.Join(tagged, "users")))
		require.Equal(t, []string{faultPackage, "FaultPort", "UsersDisable"}, hookNames(t, filepath.Join(tagged, "orders")))
	})
	t.Run("lists the settings of the test hooks in its help", func(t *testing.T) {
		require.Contains(t, help(t, filepath.Join(tagged, "users")), "FAULT_PORT")
		text := help(t, filepath.Join(tagged, "orders"))
		require.Contains(t, text, "FAULT_PORT")
		require.Contains(t, text, "USERS_DISABLE")
	})
	t.Run("listens on FAULT_PORT and injects faults", func(t *testing.T) {
		for _, program := range []string{"users", "orders"} {
			port := freePort(t)
			p := startReady(t, filepath.Join("testhooks", program), "FAULT_PORT="+port)
			require.NoError(t, dial(port), program)
			response, _ := p.get(t, "/version")
			require.Equal(t, http.StatusOK, response.StatusCode)
			request, err := http.NewRequestWithContext(t.Context(), http.MethodPut, "http://127.0.0.1:"+port+"/fault?status=503", http.NoBody)
			require.NoError(t, err)
			response, err = http.DefaultClient.Do(request)
			require.NoError(t, err)
			require.NoError(t, response.Body.Close())
			response, _ = p.get(t, "/version")
			require.Equal(t, http.StatusServiceUnavailable, response.StatusCode)
		}
	})
	t.Run("disables the mechanisms that USERS_DISABLE lists", func(t *testing.T) {
		url, requests := failingUsers(t)
		orders := startReady(t, "testhooks/orders", "USERS_URL="+url, "SEED_DEMO_DATA=true", "USERS_DISABLE=retries")
		_, _ = orders.get(t, "/orders/1/details")
		require.EqualValues(t, 1, requests.Load(), "no retry")
		require.Contains(t, orders.log.String(), `"USERS_DISABLE":"retries"`)
		orders.awaitLine(t, "mechanisms are disabled in calls to users")
	})
	t.Run("refuses a mechanism that does not exist", func(t *testing.T) {
		p := launch(t, "testhooks/orders", "USERS_DISABLE=retries,luck")
		require.Equal(t, 2, p.exit(t))
		require.Contains(t, p.stderr.String(), `USERS_DISABLE="retries,luck" is not usable: `+
			`give some of retries, budget, breaker, ejection, latency, lookups, pool, sharing, hold-bound, separated by commas`)
		require.Equal(t, 1, strings.Count(p.stderr.String(), "\n"))
	})
}

const faultPackage = "tandem/src/chassis/fault"

// dependencies returns the packages that a program is built from, as listed by
// `go list -deps`.
func dependencies(t *testing.T, program string, flags ...string) []string {
	t.Helper()
	out, err := exec.Command("go", append(append([]string{"list", "-deps"}, flags...), "./"+program)...).Output()
	require.NoError(t, err)
	return strings.Fields(string(out))
}

// hookNames returns which names of the test hooks an executable file contains: the
// package that injects faults, and the fields of the settings, whose names
// reflection needs.
func hookNames(t *testing.T, file string) (found []string) {
	t.Helper()
	content, err := os.ReadFile(file)
	require.NoError(t, err)
	for _, name := range []string{faultPackage, "FaultPort", "UsersDisable"} {
		if bytes.Contains(content, []byte(name)) {
			found = append(found, name)
		}
	}
	return found
}

func help(t *testing.T, file string) string {
	t.Helper()
	p := start(t, exec.Command(file, "-h"))
	require.Zero(t, p.exit(t))
	require.Contains(t, p.log.String(), "DRAIN_DELAY")
	return p.log.String()
}

func dial(port string) error {
	connection, err := net.Dial("tcp", net.JoinHostPort("127.0.0.1", port))
	if err != nil {
		return err
	}
	return connection.Close()
}

// failingUsers starts a server that is healthy and answers each request for
// users with 503. It returns its URL and the number of those requests.
func failingUsers(t *testing.T) (url string, requests *atomic.Int64) {
	t.Helper()
	requests = new(atomic.Int64)
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/health" {
			w.Header().Set("Content-Type", "application/json")
			_, _ = w.Write([]byte(`{"status": "healthy", "service": "users-service"}`))
			return
		}
		requests.Add(1)
		w.WriteHeader(http.StatusServiceUnavailable)
	}))
	t.Cleanup(server.Close)
	return server.URL, requests
}
