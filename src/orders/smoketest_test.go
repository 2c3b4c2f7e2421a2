package orders_test

import (
	"bytes"
	"context"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"tandem/src/chassis/settings"
	"tandem/src/chassis/smoketest"
	"tandem/src/orders"
	"tandem/src/testkit/servicetest"
	"tandem/src/users"
)

// patient gives the services time to report that they are healthy. On a busy
// machine a check of the database or of users fails now and then.
var patient = smoketest.Options{RetryTimeout: 30 * time.Second}

// runSmokeTest runs the smoke test.
func runSmokeTest(t *testing.T, options smoketest.Options, ordersURL, usersURL string) (printed string, err error) {
	t.Helper()
	var out bytes.Buffer
	config := orders.SmokeTestConfig{Options: options, URL: servicetest.URL(t, ordersURL), UsersURL: servicetest.URL(t, usersURL)}
	err = orders.RunSmokeTest(t.Context(), config, &out)
	return out.String(), err
}

// startEmpty starts both services without demo data.
func startEmpty(t *testing.T, ordersConfig, usersConfig settings.Service) (ordersURL, usersURL string) {
	t.Helper()
	usersURL = servicetest.StartReady(t, func(ctx context.Context, stdout io.Writer) error {
		return users.Run(ctx, users.Config{Service: usersConfig}, servicetest.NoEnv, stdout)
	}).URL
	return servicetest.StartReady(t, runOrders(t, ordersConfig, usersURL)).URL, usersURL
}

// requireCleanedUp checks that there is no active user and that all orders are
// cancelled.
func requireCleanedUp(t *testing.T, ordersURL, usersURL, printed string) {
	t.Helper()
	require.Equal(t, "0", servicetest.API{URL: usersURL}.Get(t, "/users").At(t, "count"), printed)
	api := servicetest.API{URL: ordersURL}
	require.Equal(t, api.Get(t, "/orders").At(t, "count"), api.Get(t, "/orders?status=cancelled").At(t, "count"), printed)
}

// interceptor may change a request or respond to it. It reports whether it has
// responded.
type interceptor = func(http.ResponseWriter, *http.Request) bool

// respondTo returns an interceptor that responds with a status and a body to
// requests that match a pattern, such as "GET /orders/{id}".
func respondTo(pattern string, status int, body string) interceptor {
	mux := http.NewServeMux()
	mux.HandleFunc(pattern, func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(status)
		_, _ = io.WriteString(w, body)
	})
	return func(w http.ResponseWriter, r *http.Request) bool {
		handler, matched := mux.Handler(r)
		if matched == "" {
			return false
		}
		handler.ServeHTTP(w, r)
		return true
	}
}

// removeKey removes the Idempotency-Key, so that no request is replayed.
func removeKey(_ http.ResponseWriter, r *http.Request) bool {
	r.Header.Del("Idempotency-Key")
	return false
}

// replaceOrder replaces the order in every POST /orders request with a new order
// for user 1, who is the user of the smoke test, and removes the key.
func replaceOrder(_ http.ResponseWriter, r *http.Request) bool {
	if r.Method == http.MethodPost {
		r.Body = io.NopCloser(strings.NewReader(orderJSON(1, "Other", 1, 1)))
		r.ContentLength = -1
		r.Header.Del("Idempotency-Key")
	}
	return false
}

func TestSmokeTest(t *testing.T) {
	t.Run("passes and cleans up", func(t *testing.T) {
		test := func(t *testing.T, ordersConfig, usersConfig settings.Service) {
			ordersURL, usersURL := startEmpty(t, ordersConfig, usersConfig)
			for range 2 {
				printed, err := runSmokeTest(t, patient, ordersURL, usersURL)
				require.NoError(t, err, printed)
				require.NotContains(t, printed, "FAIL")
				requireCleanedUp(t, ordersURL, usersURL, printed)
			}
			require.Equal(t, "2", servicetest.API{URL: ordersURL}.Get(t, "/orders").At(t, "count"))
		}
		t.Run("SQLite", func(t *testing.T) { test(t, servicetest.SQLite(t), servicetest.SQLite(t)) })
		t.Run("PostgreSQL", func(t *testing.T) { test(t, servicetest.Postgres(t), servicetest.Postgres(t)) })
	})

	t.Run("names the failed checks and cleans up", func(t *testing.T) {
		const (
			order = `{"id": 1, "user_id": 9, "product": "Other", "quantity": 1, "price": 1, "status": "pending",` +
				` "created_at": "2025-01-10T00:00:00Z"}`
			details  = `{"order": ` + order + `, "user_details": null, "communication_status": "failed"}`
			degraded = `{"service": "orders-service", "status": "degraded", "dependencies": {"users-service": "unreachable"}}`
		)
		tests := map[string]struct {
			failed    string
			intercept interceptor
		}{
			"unavailable":              {"the orders service is healthy and reaches the users service", respondTo("GET /health", 503, "")},
			"users unreachable":        {"the orders service is healthy and reaches the users service", respondTo("GET /health", 200, degraded)},
			"creating orders fails":    {"an order is created for the user; an order for an unknown user is rejected", respondTo("POST /orders", 500, "")},
			"orders are replaced":      {"a repeated request returns the same order; an order for an unknown user is rejected", replaceOrder},
			"reading orders fails":     {"the created order can be read; an unknown order is not found", respondTo("GET /orders/{id}", 500, "")},
			"another order is read":    {"the created order can be read; an unknown order is not found", respondTo("GET /orders/{id}", 200, order)},
			"details without the user": {"the order's details contain the user", respondTo("GET /orders/{id}/details", 200, details)},
			"keys are ignored":         {"a repeated request returns the same order", removeKey},
			"no metrics":               {"metrics are served", respondTo("GET /metrics", 404, "")},
		}
		for name, test := range tests {
			t.Run(name, func(t *testing.T) {
				ordersURL, usersURL := startEmpty(t, servicetest.SQLite(t), servicetest.SQLite(t))
				options := patient
				if strings.Contains(test.failed, "healthy") {
					options.RetryTimeout = 0
				}
				printed, err := runSmokeTest(t, options, servicetest.WithFaultyResponses(t, ordersURL, test.intercept), usersURL)
				require.EqualError(t, err, "the release does not work: "+test.failed, printed)
				requireCleanedUp(t, ordersURL, usersURL, printed)
			})
		}
	})

	t.Run("fails if the users service does not work", func(t *testing.T) {
		ordersURL, usersURL := startEmpty(t, servicetest.SQLite(t), servicetest.SQLite(t))
		for failed, intercept := range map[string]interceptor{
			"the users service is healthy": respondTo("GET /health", 503, ""),
			"a user is created":            respondTo("POST /users", 503, ""),
		} {
			options := patient
			if strings.Contains(failed, "healthy") {
				options.RetryTimeout = 0
			}
			_, err := runSmokeTest(t, options, ordersURL, servicetest.WithFaultyResponses(t, usersURL, intercept))
			require.ErrorContains(t, err, failed)
		}
	})

	t.Run("fails if it cannot clean up", func(t *testing.T) {
		ordersURL, usersURL := startEmpty(t, servicetest.SQLite(t), servicetest.SQLite(t))
		_, err := runSmokeTest(t, patient, servicetest.WithFaultyResponses(t, ordersURL, respondTo("PATCH /orders/{id}", 500, "")), usersURL)
		require.EqualError(t, err, "the release does not work: clean up order 1")
	})
}
