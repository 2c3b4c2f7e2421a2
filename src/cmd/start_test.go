package cmd_test

import (
	"io"
	"net"
	"net/url"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"

	"tandem/src/testkit/postgrestest"
)

// TestInvalidSettings starts programs with an invalid setting each. A program must
// exit with one sentence that names the setting and masks passwords.
func TestInvalidSettings(t *testing.T) {
	tests := map[string]struct{ program, env, want string }{
		"port":     {"users", "PORT=http", `PORT="http" is not usable: give a whole number from 0 to 65535`},
		"delay":    {"orders", "DRAIN_DELAY=5", `DRAIN_DELAY="5" is not usable: give a duration from 0s to 10m`},
		"url":      {"orders", "USERS_URL=users:5001", `USERS_URL="users:5001" is not usable: give a URL like http://users:5001`},
		"database": {"users", "DATABASE_URL=mysql://me:hush@db/x", `DATABASE_URL="mysql://me:xxxxx@db/x" is not usable`},
		"exporter": {"users", "OTEL_TRACES_EXPORTER=zipkin", `OTEL_TRACES_EXPORTER="zipkin" is not usable`},
		"endpoint": {"users", "OTEL_EXPORTER_OTLP_ENDPOINT=me:hush@collector:4318",
			"OTEL_EXPORTER_OTLP_ENDPOINT is not usable: give a URL like http://collector:4318"},
		"embedded":        {"tandem", "DATABASE_URL=postgres://me:hush@db/x", "DATABASE_URL is set, but tandem uses SQLite only"},
		"port of tandem":  {"tandem", "PORT=5001", "PORT is set, but tandem has two ports: unset PORT, and set USERS_PORT and ORDERS_PORT"},
		"users of tandem": {"tandem", "USERS_URL=http://x", "USERS_URL is set, but tandem runs users itself: unset USERS_URL, or run bin/orders"},
		"one port":        {"tandem", "ORDERS_PORT=5001", "USERS_PORT and ORDERS_PORT are both 5001"},
		"tandem":          {"tandem", "LOG_LEVEL=loud", `LOG_LEVEL="loud" is not usable: give one of debug, info, warn, error`},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			p := launch(t, tt.program, tt.env)
			require.Equal(t, 2, p.exit(t))
			require.Contains(t, p.stderr.String(), tt.want)
			require.Equal(t, 1, strings.Count(p.stderr.String(), "\n"))
			require.NotContains(t, p.stderr.String()+p.log.String(), "hush")
		})
	}
}

func TestStart(t *testing.T) {
	t.Run("fails if the host of the database does not exist", func(t *testing.T) {
		p := launch(t, "users", "DATABASE_URL=postgres://me:hush@no-such-host.invalid/x")
		require.Equal(t, 1, p.exit(t))
		require.Contains(t, p.stderr.String(), "no-such-host.invalid")
		require.NotContains(t, p.stderr.String(), "hush")
	})

	t.Run("is live and not ready until the database is reachable", func(t *testing.T) {
		target, err := url.Parse(postgrestest.URL(t))
		require.NoError(t, err)
		address := "127.0.0.1:" + freePort(t)
		database := target.Host
		target.Host = address

		users := startListening(t, "users", "DATABASE_URL="+target.String(), "SEED_DEMO_DATA=true")
		users.awaitLine(t, "the database cannot be reached yet")
		response, health := users.get(t, "/health")
		require.Equal(t, 200, response.StatusCode)
		require.Equal(t, "degraded", health["status"])
		response, _ = users.get(t, "/health?ready=1")
		require.Equal(t, 503, response.StatusCode)
		response, _ = users.get(t, "/users")
		require.Equal(t, 503, response.StatusCode)
		require.NotEmpty(t, response.Header.Get("Retry-After"))

		forward(t, address, database)
		users.awaitLine(t, "ready")
		response, list := users.get(t, "/users")
		require.Equal(t, 200, response.StatusCode)
		require.EqualValues(t, 3, list["count"])
		users.signal(t, syscall.SIGTERM)
		require.Zero(t, users.exit(t), users.stderr)
	})

	t.Run("starts with the OTEL_ variables that operators and meshes inject", func(t *testing.T) {
		users := startReady(t, "users",
			"OTEL_EXPORTER_OTLP_ENDPOINT=http://127.0.0.1:1", "OTEL_PROPAGATORS=tracecontext,baggage,b3", "OTEL_TRACES_EXPORTER=otlp,console",
			"OTEL_RESOURCE_ATTRIBUTES=team=a,broken=%,", "OTEL_TRACES_SAMPLER=parentbased_jaeger_remote", "OTEL_POD_IP=10.0.0.1",
			"OTEL_EXPORTER_OTLP_HEADERS=hush", "OTEL_SERVICE_NAME=shop", "OTEL_BSP_SCHEDULE_DELAY=1")
		response, _ := users.get(t, "/users/1")
		require.Equal(t, 404, response.StatusCode)
		users.awaitLine(t, "traces were not exported")
		lines := users.log.Lines(t, "some OTEL_ variables are not honoured") // fails for a line that is not JSON
		require.Len(t, lines, 1)
		require.Len(t, lines[0]["variables"], 5)
		require.Equal(t, "shop", lines[0]["service.name"])
		require.Empty(t, users.stderr.String())
		require.NotContains(t, users.log.String(), "hush")
	})

	t.Run("ignores every OTEL_ variable if OTEL_SDK_DISABLED is true", func(t *testing.T) {
		users := startReady(t, "users", "OTEL_SDK_DISABLED=true", "OTEL_TRACES_EXPORTER=zipkin", "OTEL_EXPORTER_OTLP_ENDPOINT=nonsense",
			"OTEL_BSP_MAX_EXPORT_BATCH_SIZE=-1")
		require.Empty(t, users.log.Lines(t, "some OTEL_ variables are not honoured"))
		require.Empty(t, users.stderr.String())
	})

	t.Run("starts without users and logs its URL", func(t *testing.T) {
		orders := startReady(t, "orders", "USERS_URL=http://127.0.0.1:1")
		lines := orders.log.Lines(t, "the users service is not healthy; starting without it")
		require.Equal(t, "http://127.0.0.1:1", lines[0]["url.full"])
	})
}

// forward forwards connections to another address until the end of the test.
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

// TestCommandLine starts programs with flags that end them at once.
func TestCommandLine(t *testing.T) {
	tests := map[string]struct {
		args   string
		exit   int
		stdout string // regular expression
		stderr string
	}{
		"version of users":         {"users --version", 0, `^users dev \(commit .*, built .* with go1.*\) $`, ""},
		"version of orders":        {"orders --version", 0, `^orders dev `, ""},
		"version of tandem":        {"tandem --version", 0, `^tandem dev `, ""},
		"smoke test in the help":   {"orders -h", 0, `"orders test" checks over HTTP that an installed release works`, ""},
		"smoke test of users":      {"users -h", 0, `"users test" checks over HTTP that an installed release works`, ""},
		"flag without a value":     {"users --port", 2, `^$`, "--port needs a value: give a whole number from 0 to 65535\n"},
		"flag that does not exist": {"orders --prot=1", 2, `^$`, "unknown flag --prot, did you mean \"--port\"?; -h lists the flags\n"},
		"word that does not exist": {"orders tset", 2, `^$`, "unexpected argument tset; -h lists the flags\n"},
		"flag of tandem":           {"tandem --ports=1", 2, `^$`, "unknown flag --ports; -h lists the flags\n"},
		"flag of the smoke test":   {"orders test --url", 2, `^$`, "--url needs a value: give a URL like http://orders:5002\n"},
		"smoke test's flag's value": {"users test --retry-timeout=x", 2, `^$`,
			"RETRY_TIMEOUT=\"x\" is not usable: give a duration from 0s to 5m, such as 1500ms or 5s\n"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			args := strings.Fields(tt.args)
			p := start(t, exec.Command(filepath.Join(bin, args[0]), args[1:]...))
			require.Equal(t, tt.exit, p.exit(t))
			require.Regexp(t, tt.stdout, regexp.MustCompile(`[ \n]+`).ReplaceAllString(p.log.String(), " "))
			require.Equal(t, tt.stderr, p.stderr.String())
		})
	}
}

// TestHelp checks that -h lists the settings.
func TestHelp(t *testing.T) {
	variables := func(program string) []string {
		return regexp.MustCompile(`[[]([A-Z_]+);`).FindAllString(help(t, filepath.Join(bin, program)), -1)
	}
	for _, name := range []string{
		"PORT", "USERS_URL", "DATABASE_URL", "DATA_DIR", "DRAIN_DELAY", "SHUTDOWN_TIMEOUT", "SEED_DEMO_DATA", "LOG_LEVEL", "MAX_IN_FLIGHT",
	} {
		require.Contains(t, variables("orders"), "["+name+";")
	}
	t.Run("of tandem lists the settings of both services", func(t *testing.T) {
		of := variables("tandem")
		for _, name := range append(variables("users"), variables("orders")...) {
			if !slices.Contains([]string{"[PORT;", "[USERS_URL;", "[DATABASE_URL;"}, name) { // which tandem sets itself
				require.Contains(t, of, name)
			}
		}
	})
}
