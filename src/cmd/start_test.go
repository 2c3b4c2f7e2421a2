package cmd_test

import (
	"io"
	"net"
	"net/url"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"

	"tandem/src/testkit/postgrestest"
)

func TestABadValueStopsTheStartWithOneSentence(t *testing.T) {
	tests := map[string]struct{ program, env, want string }{
		"port":     {"users", "PORT=http", `PORT="http" is not usable: give a whole number from 0 to 65535`},
		"delay":    {"orders", "DRAIN_DELAY=5", `DRAIN_DELAY="5" is not usable: give a duration from 0s to 10m`},
		"url":      {"orders", "USERS_URL=users:5001", `USERS_URL="users:5001" is not usable: give a URL like http://users:5001`},
		"without":  {"orders", "USERS_WITHOUT=retries,luck", `USERS_WITHOUT="retries,luck" is not usable: give some of retries, budget, breaker, ejection, latency, lookups, pool, with commas between`},
		"database": {"users", "DATABASE_URL=mysql://me:hush@db/x", `DATABASE_URL="mysql://me:xxxxx@db/x" is not usable`},
		"exporter": {"users", "OTEL_TRACES_EXPORTER=zipkin", `OTEL_TRACES_EXPORTER="zipkin" is not usable`},
		"embedded": {"tandem", "DATABASE_URL=postgres://me:hush@db/x", "DATABASE_URL is set, but tandem uses SQLite only"},
		"one port": {"tandem", "ORDERS_PORT=5001", "USERS_PORT and ORDERS_PORT are both 5001"},
		"tandem":   {"tandem", "LOG_LEVEL=loud", `LOG_LEVEL="loud" is not usable: give one of debug, info, warn, error`},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			p := launch(t, tt.program, tt.env)
			require.Equal(t, 1, p.exit(t))
			require.Contains(t, p.stderr.String(), tt.want)
			require.Equal(t, 1, strings.Count(p.stderr.String(), "\n"))
			require.NotContains(t, p.stderr.String()+p.log.String(), "hush")
		})
	}
}

func TestAHostThatDoesNotExistEndsTheStart(t *testing.T) {
	p := launch(t, "users", "DATABASE_URL=postgres://me:hush@no-such-host.invalid/x")
	require.Equal(t, 1, p.exit(t))
	require.Contains(t, p.stderr.String(), "no-such-host.invalid")
	require.NotContains(t, p.stderr.String(), "hush")
}

func TestALateDatabaseNeverLooksDead(t *testing.T) {
	target, err := url.Parse(postgrestest.URL(t))
	require.NoError(t, err)
	late, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	address := late.Addr().String()
	require.NoError(t, late.Close())
	real := target.Host
	target.Host = address

	users := listening(t, "users", "DATABASE_URL="+target.String(), "SEED_DEMO_DATA=true")
	users.awaitLine(t, "the database cannot be reached yet")
	answer, health := users.get(t, "/health")
	require.Equal(t, 200, answer.StatusCode)
	require.Equal(t, "degraded", health["status"])
	answer, _ = users.get(t, "/health?ready=1")
	require.Equal(t, 503, answer.StatusCode)
	answer, _ = users.get(t, "/users")
	require.Equal(t, 503, answer.StatusCode)
	require.NotEmpty(t, answer.Header.Get("Retry-After"))

	forward(t, address, real)
	users.awaitLine(t, "ready")
	answer, list := users.get(t, "/users")
	require.Equal(t, 200, answer.StatusCode)
	require.EqualValues(t, 3, list["count"])
	users.signal(t, syscall.SIGTERM)
	require.Zero(t, users.exit(t), users.stderr)
}

func TestUsersThatDoesNotAnswerIsNamed(t *testing.T) {
	orders := ready(t, "orders", "USERS_URL=http://127.0.0.1:1")
	require.Equal(t, "http://127.0.0.1:1", orders.log.Lines(t, "users has not answered, so orders starts without it")[0]["address"])
}

// forward passes connections on to another address, until the test ends.
func forward(t *testing.T, from, to string) {
	t.Helper()
	listener, err := net.Listen("tcp", from)
	require.NoError(t, err)
	t.Cleanup(func() { _ = listener.Close() })
	go func() {
		for {
			in, err := listener.Accept()
			if err != nil {
				return
			}
			out, err := net.Dial("tcp", to)
			if err != nil {
				_ = in.Close()
				continue
			}
			go func() { _, _ = io.Copy(out, in); _ = out.Close() }()
			go func() { _, _ = io.Copy(in, out); _ = in.Close() }()
		}
	}()
}

func TestHelpNamesEverySetting(t *testing.T) {
	help := start(t, exec.Command(filepath.Join(bin, "orders"), "-h"))
	require.Zero(t, help.exit(t))
	for _, name := range []string{"PORT", "USERS_URL", "DATABASE_URL", "DATA_DIR", "DRAIN_DELAY", "SHUTDOWN_TIMEOUT", "SEED_DEMO_DATA", "LOG_LEVEL", "MAX_IN_FLIGHT"} {
		require.Contains(t, help.log.String(), name)
	}
}
