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

// intercept handles requests and reports whether it has responded.
type intercept = func(http.ResponseWriter, *http.Request) bool

// respond responds with a status and a body to requests that match a pattern,
// such as "GET /orders/{id}".
func respond(pattern string, status int, body string) intercept {
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

// replaceUser replaces the user of every order by the user 1.
func replaceUser(_ http.ResponseWriter, r *http.Request) bool {
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
			intercept intercept
		}{
			"unavailable":              {"orders is healthy and reaches users", respond("GET /health", 503, "")},
			"users unreachable":        {"orders is healthy and reaches users", respond("GET /health", 200, degraded)},
			"creating orders fails":    {"an order is created for the user; an order for an unknown user is rejected", respond("POST /orders", 500, "")},
			"orders for another user":  {"the same request again returns the same order; an order for an unknown user is rejected", replaceUser},
			"reading orders fails":     {"the order is read back; an unknown order is not found", respond("GET /orders/{id}", 500, "")},
			"another order is read":    {"the order is read back; an unknown order is not found", respond("GET /orders/{id}", 200, order)},
			"details without the user": {"the order's details contain the user", respond("GET /orders/{id}/details", 200, details)},
			"keys are ignored":         {"the same request again returns the same order", removeKey},
			"no metrics":               {"metrics are served", respond("GET /metrics", 404, "")},
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

	t.Run("fails if users does not work", func(t *testing.T) {
		ordersURL, usersURL := startEmpty(t, servicetest.SQLite(t), servicetest.SQLite(t))
		for failed, intercept := range map[string]intercept{
			"users is healthy":  respond("GET /health", 503, ""),
			"a user is created": respond("POST /users", 503, ""),
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
		_, err := runSmokeTest(t, patient, servicetest.WithFaultyResponses(t, ordersURL, respond("PATCH /orders/{id}", 500, "")), usersURL)
		require.EqualError(t, err, "the release does not work: clean up order 1")
	})
}
