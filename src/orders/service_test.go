package orders_test

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"tandem/src/chassis/settings"
	"tandem/src/orders"
	"tandem/src/testkit/contracttest"
	"tandem/src/testkit/servicetest"
	"tandem/src/users"
)

// runOrders returns a function that runs the orders service, which calls users
// at usersURL.
func runOrders(t testing.TB, service settings.Service, usersURL string) func(context.Context, io.Writer) error {
	t.Helper()
	var config orders.Config
	require.NoError(t, settings.Defaults(&config))
	config.Service, config.UsersURL = service, servicetest.URL(t, usersURL)
	config.UsersTimeout, config.UsersTryTimeout = 2*time.Second, time.Second
	return func(ctx context.Context, stdout io.Writer) error {
		return orders.Run(ctx, config, servicetest.NoEnv, stdout)
	}
}

// runUsers returns a function that runs the users service with the demo data.
func runUsers(service settings.Service) func(context.Context, io.Writer) error {
	service.SeedDemoData = true
	return func(ctx context.Context, stdout io.Writer) error {
		return users.Run(ctx, users.Config{Service: service}, servicetest.NoEnv, stdout)
	}
}

func loadContract(t *testing.T) *contracttest.Contract {
	t.Helper()
	document, err := os.ReadFile("openapi.yaml")
	require.NoError(t, err)
	return contracttest.Load(t, document)
}

// services holds a running orders service and the running users service that it
// calls. The embedded API is that of orders.
type services struct {
	servicetest.API
	orders, users *servicetest.Service
}

// startServices starts both services, users with the demo data. The API checks
// that every request to orders and its response conform to openapi.yaml.
func startServices(t *testing.T, ordersConfig, usersConfig settings.Service) services {
	t.Helper()
	u := servicetest.StartReady(t, runUsers(usersConfig))
	o := servicetest.StartReady(t, runOrders(t, ordersConfig, u.URL))
	return services{servicetest.API{URL: o.URL, Transport: loadContract(t).Transport(nil)}, o, u}
}

// testServices runs a subtest against both services, once on SQLite and once on
// PostgreSQL.
func testServices(t *testing.T, name string, test func(t *testing.T, s services)) {
	t.Run(name, func(t *testing.T) {
		t.Run("SQLite", func(t *testing.T) {
			test(t, startServices(t, servicetest.SQLite(t), servicetest.SQLite(t)))
		})
		t.Run("PostgreSQL", func(t *testing.T) {
			test(t, startServices(t, servicetest.Postgres(t), servicetest.Postgres(t)))
		})
	})
}

// startWithUsersStub starts orders with SQLite and a stub of the users service,
// which is healthy.
func startWithUsersStub(t *testing.T, stub http.Handler) servicetest.API {
	t.Helper()
	paths := http.NewServeMux()
	paths.Handle("/", stub)
	paths.HandleFunc("/health", func(w http.ResponseWriter, _ *http.Request) {
		_, _ = io.WriteString(w, `{"status": "healthy", "service": "users-service"}`)
	})
	server := httptest.NewServer(paths)
	t.Cleanup(server.Close)
	service := servicetest.StartReady(t, runOrders(t, servicetest.SQLite(t), server.URL))
	return servicetest.API{URL: service.URL, Transport: loadContract(t).Transport(nil)}
}

// userJSON returns the body of a response to GET /users/{id}.
func userJSON(id int) string {
	return fmt.Sprintf(`{"id": %d, "name": "A", "email": "a@example.com", "active": true, "created_at": "2025-01-01T00:00:00Z"}`, id)
}

// writeUser responds with the user whose ID is in the path, and with user 1 to GET
// /health.
func writeUser(w http.ResponseWriter, r *http.Request) {
	id, err := strconv.Atoi(path.Base(r.URL.Path))
	if err != nil {
		id = 1
	}
	w.Header().Set("Content-Type", "application/json")
	_, _ = io.WriteString(w, userJSON(id))
}

// orderJSON returns the body of a POST /orders request.
func orderJSON(userID int, product string, quantity int, price float64) string {
	body, err := json.Marshal(map[string]any{"user_id": userID, "product": product, "quantity": quantity, "price": price})
	if err != nil {
		panic(err) // only for a price that is NaN or infinite
	}
	return string(body)
}

// laptopJSON returns the body of a POST /orders request for the demo user 1.
func laptopJSON() string { return orderJSON(1, "Laptop", 1, 899.99) }

// statusJSON returns the body of a PATCH /orders/{id} request.
func statusJSON(status string) string { return fmt.Sprintf(`{"status": %q}`, status) }

func TestRouting(t *testing.T) {
	s := startServices(t, servicetest.SQLite(t), servicetest.SQLite(t))
	t.Run("responds 404 to an unknown path", func(t *testing.T) {
		s.Get(t, "/nope").Require(t, 404)
		s.Get(t, "/orders/").Require(t, 404)
		s.Get(t, "/orders/1/").Require(t, 404)
	})
	t.Run("responds 405 with Allow to an unknown method", func(t *testing.T) {
		for path, allow := range map[string]string{
			"/orders": "GET, HEAD, POST", "/orders/1": "GET, HEAD, PATCH", "/orders/1/details": "GET, HEAD", "/health": "GET, HEAD",
		} {
			require.Equal(t, allow, s.Call(t, "DELETE", path, "").Require(t, 405).Header.Get("Allow"), path)
		}
	})
	t.Run("responds 405 to PATCH /orders/stats, which is no order", func(t *testing.T) {
		require.Equal(t, "GET, HEAD", s.Patch(t, "/orders/stats", statusJSON("shipped")).Require(t, 405).Header.Get("Allow"))
		require.Equal(t, "GET, HEAD", s.Call(t, "DELETE", "/orders/stats", "").Require(t, 405).Header.Get("Allow"))
		require.Contains(t, s.Get(t, "/metrics").Text, `http_request_method="PATCH",http_response_status_code="405",http_route="unmatched"`)
	})
	t.Run("ignores a query that nobody described on every route", func(t *testing.T) {
		s.Post(t, "/orders", laptopJSON()).Require(t, 201)
		for _, path := range []string{
			"/orders", "/orders/1", "/orders/1/details", "/orders/stats", "/health", "/version", "/metrics", "/openapi.yaml",
		} {
			for _, query := range []string{"?utm=a;b", "?note=100%", "?%=1", "?;", "?a=%zz&b"} {
				s.Get(t, path+query).Require(t, 200)
			}
		}
		require.Equal(t, []string{"user_id"}, s.Get(t, "/orders?user_id=1%&note=100%").Require(t, 400).Fields())
		require.Equal(t, []string{"ready"}, s.Get(t, "/health?ready=1;a").Require(t, 400).Fields())
	})
	t.Run("cuts an ID of 57 kB", func(t *testing.T) {
		response := s.Get(t, "/orders/"+strings.Repeat("%01", 19_000)).Require(t, 404)
		require.Less(t, len(response.Text), 12_000)
	})
	t.Run("responds to HEAD", func(t *testing.T) {
		s.Call(t, "HEAD", "/orders/stats", "").Require(t, 200)
	})
}

func TestHealth(t *testing.T) {
	t.Run("reports the state of the users service", func(t *testing.T) {
		s := startServices(t, servicetest.SQLite(t), servicetest.SQLite(t))
		first := s.Get(t, "/health").Require(t, 200)
		require.Equal(t, `"healthy"`, first.At(t, "dependencies", "users-service"))
		require.NoError(t, s.users.Stop())
		require.Eventually(t, func() bool {
			response := s.Get(t, "/health").Require(t, 200)
			return response.At(t, "dependencies", "users-service") == `"unreachable"` && response.At(t, "status") == `"degraded"`
		}, 3*time.Second, 20*time.Millisecond)
		s.Get(t, "/health?ready=1").Require(t, 200)
		require.Contains(t, s.Get(t, "/metrics").Text, `dependency_up{dependency="users-service"} 0`)
	})

	t.Run("reports users as unhealthy if it responds with an error", func(t *testing.T) {
		server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { http.Error(w, "no", 500) }))
		t.Cleanup(server.Close)
		api := servicetest.API{URL: servicetest.Start(t, runOrders(t, servicetest.SQLite(t), server.URL)).URL}
		require.Eventually(t, func() bool { return api.Get(t, "/health").At(t, "dependencies", "users-service") == `"unhealthy"` },
			3*time.Second, 20*time.Millisecond)
	})
}
