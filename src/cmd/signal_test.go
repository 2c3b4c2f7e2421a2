package cmd_test

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"tandem/src/testkit/postgrestest"
)

const user = `{"id": 1, "name": "A", "email": "a@example.com", "active": true, "created_at": "2025-01-01T00:00:00Z"}`

// slowUsers answers health at once and users when told to; asked tells of each
// request for a user.
func slowUsers(t *testing.T) (url string, asked <-chan struct{}, answer chan<- struct{}) {
	t.Helper()
	arrived, release := make(chan struct{}, 16), make(chan struct{})
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		if r.URL.Path == "/health" {
			_, _ = fmt.Fprint(w, `{"status": "healthy"}`)
			return
		}
		select {
		case arrived <- struct{}{}:
		default: // enough have been told of
		}
		<-release
		_, _ = fmt.Fprint(w, user)
	}))
	t.Cleanup(server.Close)
	return server.URL, arrived, release
}

func TestARequestInFlightFinishesAfterSIGTERM(t *testing.T) {
	for _, s := range []syscall.Signal{syscall.SIGTERM, syscall.SIGINT} {
		t.Run(s.String(), func(t *testing.T) {
			url, asked, answer := slowUsers(t)
			orders := ready(t, "orders", "USERS_URL="+url, "USERS_TIMEOUT=30s", "USERS_TRY_TIMEOUT=30s", "SEED_DEMO_DATA=true")
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
			<-asked
			orders.signal(t, s)
			orders.awaitLine(t, "draining")
			answer <- struct{}{}
			require.Equal(t, 200, <-status)
			require.Zero(t, orders.exit(t), orders.stderr)
		})
	}
}

func TestARequestBeyondTheShutdownTimeoutIsCutAndSaidSo(t *testing.T) {
	url, asked, answer := slowUsers(t)
	defer close(answer)
	orders := ready(t, "orders", "USERS_URL="+url, "USERS_TIMEOUT=30s", "USERS_TRY_TIMEOUT=30s", "SEED_DEMO_DATA=true", "SHUTDOWN_TIMEOUT=200ms")
	go func() { _, _ = http.Get(orders.url + "/orders/1/details") }()
	<-asked
	orders.signal(t, syscall.SIGTERM)
	require.Equal(t, 1, orders.exit(t))
	require.Contains(t, orders.stderr.String(), "SHUTDOWN_TIMEOUT")
}

func TestDuringTheDrainDelayItServesOnButIsNotReady(t *testing.T) {
	users := ready(t, "users", "DRAIN_DELAY=1s", "SEED_DEMO_DATA=true")
	answer, _ := users.get(t, "/users/1")
	require.Equal(t, 200, answer.StatusCode)
	require.False(t, answer.Close)
	users.signal(t, syscall.SIGTERM)
	users.awaitLine(t, "draining")
	for path, status := range map[string]int{"/health?ready=1": 503, "/users/1": 200, "/health": 200, "/nope": 404} {
		answer, _ := users.get(t, path)
		require.Equal(t, status, answer.StatusCode, path)
		require.True(t, answer.Close, "%s: without Connection: close", path)
	}
	require.Zero(t, users.exit(t))
}

// TestNoRequestIsCutUnderLoad is what the drain is for: clients with warm
// connections, always busy, are each asked to leave before anything is cut. They
// speak HTTP by hand, because net/http would send a cut request again.
func TestNoRequestIsCutUnderLoad(t *testing.T) {
	users := ready(t, "users", "DRAIN_DELAY=500ms", "SEED_DEMO_DATA=true")
	var answered atomic.Int64
	const clients = 8
	ends := make(chan error, clients)
	for range clients {
		go func() { ends <- askUntilToldToLeave(strings.TrimPrefix(users.url, "http://"), &answered) }()
	}
	require.Eventually(t, func() bool { return answered.Load() > 200 }, patience, time.Millisecond)
	users.signal(t, syscall.SIGTERM)
	for range clients {
		require.NoError(t, <-ends)
	}
	require.Zero(t, users.exit(t))
}

// askUntilToldToLeave asks again and again on one connection, until an answer
// says Connection: close.
func askUntilToldToLeave(address string, answered *atomic.Int64) error {
	connection, err := net.Dial("tcp", address)
	if err != nil {
		return err
	}
	defer connection.Close()
	answers := bufio.NewReader(connection)
	for {
		if _, err := fmt.Fprint(connection, "GET /users HTTP/1.1\r\nHost: users\r\n\r\n"); err != nil {
			return err
		}
		answer, err := http.ReadResponse(answers, nil)
		if err != nil {
			return err
		}
		if _, err := io.Copy(io.Discard, answer.Body); err != nil {
			return err
		}
		if answer.StatusCode != http.StatusOK {
			return fmt.Errorf("status %d", answer.StatusCode)
		}
		answered.Add(1)
		if answer.Close {
			return nil
		}
	}
}

func TestASecondSignalEndsTheProcessAtOnce(t *testing.T) {
	users := ready(t, "users", "DRAIN_DELAY=10m")
	users.signal(t, syscall.SIGTERM)
	users.awaitLine(t, "draining")
	require.Eventually(t, func() bool {
		_ = users.Process.Signal(syscall.SIGTERM) // it may have ended
		select {
		case err := <-users.ended:
			users.ended <- err
			return true
		default:
			return false
		}
	}, patience, 10*time.Millisecond)
	require.Equal(t, -1, users.exit(t))
}

func TestADeadCollectorDoesNotHoldTheExit(t *testing.T) {
	hanging, err := net.Listen("tcp", "127.0.0.1:0") // accepts, never answers
	require.NoError(t, err)
	defer hanging.Close()
	users := ready(t, "users", "SEED_DEMO_DATA=true", "OTEL_EXPORTER_OTLP_ENDPOINT=http://"+hanging.Addr().String())
	answer, _ := users.get(t, "/users/1")
	require.Equal(t, 200, answer.StatusCode)
	began := time.Now()
	users.signal(t, syscall.SIGTERM)
	require.Zero(t, users.exit(t), users.stderr)
	require.Less(t, time.Since(began), 8*time.Second) // 3 s, and room for a busy machine
	users.awaitLine(t, "traces were lost")
}

func TestBothServicesOfTandemEndByOneSignal(t *testing.T) {
	usersPort, ordersPort := freePort(t), freePort(t)
	tandem := launch(t, "tandem", "USERS_PORT="+usersPort, "ORDERS_PORT="+ordersPort, "SEED_DEMO_DATA=true")
	tandem.url = "http://127.0.0.1:" + ordersPort
	require.Eventually(t, func() bool {
		response, err := http.Get(tandem.url + "/health?ready=1")
		return err == nil && response.Body.Close() == nil && response.StatusCode == 200
	}, patience, 10*time.Millisecond)
	_, details := tandem.get(t, "/orders/1/details")
	require.Equal(t, "success", details["communication_status"])
	require.Contains(t, tandem.log.String(), "curl http://localhost:"+usersPort+"/users")
	tandem.signal(t, syscall.SIGINT)
	require.Zero(t, tandem.exit(t), tandem.stderr)
}

func freePort(t *testing.T) string {
	t.Helper()
	port, err := postgrestest.FreePort()
	require.NoError(t, err)
	return port
}
