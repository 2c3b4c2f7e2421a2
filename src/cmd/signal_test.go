package cmd_test

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"regexp"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"tandem/src/testkit/postgrestest"
)

// userJSON is a response of the users service.
const userJSON = `{"id": 1, "name": "A", "email": "a@example.com", "active": true, "created_at": "2025-01-01T00:00:00Z"}`

// slowUsers starts a stub of the users service. It responds to GET /health at
// once. For any other request it sends a value to requested, and responds after it
// has received one from respond.
func slowUsers(t *testing.T) (url string, requested <-chan struct{}, respond chan<- struct{}) {
	t.Helper()
	requestedC, respondC := make(chan struct{}, 16), make(chan struct{})
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		if r.URL.Path == "/health" {
			_, _ = fmt.Fprint(w, `{"status": "healthy", "service": "users-service"}`)
			return
		}
		select {
		case requestedC <- struct{}{}:
		default: // the test does not wait for this request
		}
		<-respondC
		_, _ = fmt.Fprint(w, userJSON)
	}))
	t.Cleanup(server.Close)
	return server.URL, requestedC, respondC
}

func TestShutdown(t *testing.T) {
	t.Run("finishes the requests in flight", func(t *testing.T) {
		for _, s := range []syscall.Signal{syscall.SIGTERM, syscall.SIGINT} {
			t.Run(s.String(), func(t *testing.T) {
				url, requested, respond := slowUsers(t)
				orders := startReady(t, "orders", "USERS_URL="+url, "USERS_TIMEOUT=30s", "USERS_TRY_TIMEOUT=30s", "SEED_DEMO_DATA=true")
				status := make(chan int, 1)
				go func() {
					response, err := http.Get(orders.url + "/orders/1/details")
					if err != nil {
						status <- 0
						return
					}
					_, err = io.Copy(io.Discard, response.Body)
					status <- response.StatusCode
					_ = errors.Join(err, response.Body.Close())
				}()
				<-requested
				orders.signal(t, s)
				orders.awaitLine(t, "draining")
				respond <- struct{}{}
				require.Equal(t, 200, <-status)
				require.Zero(t, orders.exit(t), orders.stderr)
			})
		}
	})

	t.Run("aborts requests after SHUTDOWN_TIMEOUT and exits with 1", func(t *testing.T) {
		url, requested, respond := slowUsers(t)
		defer close(respond)
		orders := startReady(t, "orders", "USERS_URL="+url, "USERS_TIMEOUT=30s", "USERS_TRY_TIMEOUT=30s", "SEED_DEMO_DATA=true",
			"SHUTDOWN_TIMEOUT=200ms")
		go func() { _, _ = http.Get(orders.url + "/orders/1/details") }()
		<-requested
		orders.signal(t, syscall.SIGTERM)
		require.Equal(t, 1, orders.exit(t))
		require.Contains(t, orders.stderr.String(), "SHUTDOWN_TIMEOUT")
	})

	t.Run("serves requests during DRAIN_DELAY but is not ready", func(t *testing.T) {
		users := startReady(t, "users", "DRAIN_DELAY=1s", "SEED_DEMO_DATA=true")
		response, _ := users.get(t, "/users/1")
		require.Equal(t, 200, response.StatusCode)
		require.False(t, response.Close)
		users.signal(t, syscall.SIGTERM)
		users.awaitLine(t, "draining")
		for path, status := range map[string]int{"/health?ready=1": 503, "/users/1": 200, "/health": 200, "/nope": 404} {
			response, _ := users.get(t, path)
			require.Equal(t, status, response.StatusCode, path)
			require.True(t, response.Close, "%s has no Connection: close", path)
		}
		require.Zero(t, users.exit(t))
	})

	// Busy clients with open connections all get Connection: close during the drain,
	// before the server closes any connection. The clients write HTTP themselves,
	// because net/http would retry a request whose connection was closed.
	t.Run("aborts no request of busy clients", func(t *testing.T) {
		users := startReady(t, "users", "DRAIN_DELAY=500ms", "SEED_DEMO_DATA=true")
		var completed atomic.Int64
		const clients = 8
		results := make(chan error, clients)
		for range clients {
			go func() { results <- requestUntilClose(strings.TrimPrefix(users.url, "http://"), &completed) }()
		}
		require.Eventually(t, func() bool { return completed.Load() > 200 }, patience, time.Millisecond)
		users.signal(t, syscall.SIGTERM)
		for range clients {
			require.NoError(t, <-results)
		}
		require.Zero(t, users.exit(t))
	})

	t.Run("exits at once after a second signal", func(t *testing.T) {
		users := startReady(t, "users", "DRAIN_DELAY=10m")
		users.signal(t, syscall.SIGTERM)
		users.awaitLine(t, "draining")
		require.Eventually(t, func() bool {
			_ = users.Process.Signal(syscall.SIGTERM) // fails if the process has exited
			select {
			case err := <-users.exited:
				users.exited <- err
				return true
			default:
				return false
			}
		}, patience, 10*time.Millisecond)
		require.Equal(t, -1, users.exit(t))
	})

	t.Run("does not wait for an unresponsive collector", func(t *testing.T) {
		hanging, err := net.Listen("tcp", "127.0.0.1:0") // accepts connections, never responds
		require.NoError(t, err)
		defer hanging.Close()
		users := startReady(t, "users", "SEED_DEMO_DATA=true", "OTEL_EXPORTER_OTLP_ENDPOINT=http://"+hanging.Addr().String())
		response, _ := users.get(t, "/users/1")
		require.Equal(t, 200, response.StatusCode)
		stopped := time.Now()
		users.signal(t, syscall.SIGTERM)
		require.Zero(t, users.exit(t), users.stderr)
		require.Less(t, time.Since(stopped), 8*time.Second) // the limit is 3 s; the rest is for a slow machine
		users.awaitLine(t, "traces were lost")
	})

	t.Run("says how many spans are lost if the collector refuses them", func(t *testing.T) {
		refusing := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Retry-After", "3600")
			w.WriteHeader(http.StatusServiceUnavailable)
		}))
		defer refusing.Close()
		users := startReady(t, "users", "SEED_DEMO_DATA=true", "OTEL_EXPORTER_OTLP_ENDPOINT="+refusing.URL, "OTEL_BSP_SCHEDULE_DELAY=3600000")
		response, _ := users.get(t, "/users/1")
		require.Equal(t, 200, response.StatusCode)
		users.signal(t, syscall.SIGTERM)
		require.Zero(t, users.exit(t), users.stderr)
		lines := users.log.Lines(t, "traces were lost")
		require.Len(t, lines, 1)
		require.GreaterOrEqual(t, lines[0]["spans"], 1.0)
	})
}

// requestUntilClose sends requests on one connection until a response has
// Connection: close. A connection that is closed before that is an error.
func requestUntilClose(address string, completed *atomic.Int64) error {
	connection, err := net.Dial("tcp", address)
	if err != nil {
		return err
	}
	defer connection.Close()
	reader := bufio.NewReader(connection)
	for {
		if _, err := fmt.Fprint(connection, "GET /users HTTP/1.1\r\nHost: users\r\n\r\n"); err != nil {
			return err
		}
		response, err := http.ReadResponse(reader, nil)
		if err != nil {
			return err
		}
		if _, err := io.Copy(io.Discard, response.Body); err != nil {
			return err
		}
		if response.StatusCode != http.StatusOK {
			return fmt.Errorf("status %d", response.StatusCode)
		}
		completed.Add(1)
		if response.Close {
			return nil
		}
	}
}

func TestTandem(t *testing.T) {
	t.Run("stops both services after one signal", func(t *testing.T) {
		usersPort, ordersPort := freePort(t), freePort(t)
		tandem := launch(t, "tandem", "USERS_PORT="+usersPort, "ORDERS_PORT="+ordersPort, "SEED_DEMO_DATA=true")
		tandem.url = "http://127.0.0.1:" + ordersPort
		require.Eventually(t, func() bool {
			response, err := http.Get(tandem.url + "/health?ready=1")
			return err == nil && response.Body.Close() == nil && response.StatusCode == 200
		}, patience, 10*time.Millisecond)
		_, details := tandem.get(t, "/orders/1/details")
		require.Equal(t, "success", details["communication_status"])
		tandem.signal(t, syscall.SIGINT)
		require.Zero(t, tandem.exit(t), tandem.stderr)
	})
}

// TestTandemStart starts both services and reads what a person sees.
func TestTandemStart(t *testing.T) {
	usersPort, ordersPort := freePort(t), freePort(t)
	env := []string{"USERS_PORT=" + usersPort, "ORDERS_PORT=" + ordersPort, "SEED_DEMO_DATA=true", "DATA_DIR=" + t.TempDir()}
	tandem := launch(t, "tandem", env...)
	greeted := func() bool { return strings.Contains(tandem.log.String(), "Press Ctrl-C") }
	require.Eventually(t, greeted, patience, time.Millisecond, "%s %s", tandem.log, tandem.stderr)

	t.Run("greets when both are ready, in one piece", func(t *testing.T) {
		before, greeting, _ := strings.Cut(tandem.log.String(), "\nReady: ")
		require.Equal(t, 2, strings.Count(before, `"msg":"ready"`))
		require.NotContains(t, greeting, `"msg"`)
		require.Contains(t, greeting, "users at http://localhost:"+usersPort+", orders at http://localhost:"+ordersPort)
		require.Equal(t, 3, strings.Count(greeting, "\n  curl "))
	})
	t.Run("is healthy when it has greeted", func(t *testing.T) {
		tandem.url = "http://127.0.0.1:" + ordersPort
		_, health := tandem.get(t, "/health")
		require.Equal(t, "healthy", health["status"], "%v", health)
	})
	t.Run("listens on loopback only", func(t *testing.T) {
		addresses := regexp.MustCompile(`"address":"([^"]*)"`).FindAllStringSubmatch(tandem.log.String(), -1)
		require.Len(t, addresses, 2)
		for _, address := range addresses {
			require.True(t, strings.HasPrefix(address[1], "127.0.0.1:"), address[1])
		}
	})
	t.Run("names the setting of a taken port and blames nothing else", func(t *testing.T) {
		free := freePort(t)
		for variable, env := range map[string][]string{
			"USERS_PORT": {"USERS_PORT=" + usersPort, "ORDERS_PORT=" + free}, "ORDERS_PORT": {"ORDERS_PORT=" + ordersPort, "USERS_PORT=" + free},
		} {
			second := launch(t, "tandem", env...)
			require.Equal(t, 1, second.exit(t))
			require.Regexp(t, `^port \d+ is in use: stop the program that uses it, or give another port in `+variable+`\n$`, second.stderr.String())
			require.NotContains(t, second.log.String(), "context canceled")
			require.NotContains(t, second.log.String(), "database")
		}
	})
}

// freePort returns a free TCP port of loopback.
func freePort(t *testing.T) string {
	t.Helper()
	port, err := postgrestest.FreePort()
	require.NoError(t, err)
	return port
}
