package orders_test

import (
	"bytes"
	"context"
	"io"
	"net/http"
	"testing"

	"github.com/stretchr/testify/require"

	"tandem/src/chassis/settings"
	"tandem/src/orders"
	"tandem/src/testkit/servicetest"
	"tandem/src/users"
)

// checkRelease runs the release's test without patience.
func checkRelease(t *testing.T, ordersURL, usersURL string) (printed string, err error) {
	t.Helper()
	var out bytes.Buffer
	config := orders.SmokeTestConfig{URL: servicetest.URL(t, ordersURL), UsersURL: servicetest.URL(t, usersURL)}
	err = orders.RunSmokeTest(t.Context(), config, &out)
	return out.String(), err
}

// startEmpty runs both services on empty stores.
func startEmpty(t *testing.T, ordersConfig, usersConfig settings.Service) (ordersURL, usersURL string) {
	t.Helper()
	usersURL = servicetest.StartReady(t, func(ctx context.Context, stdout io.Writer) error {
		return users.Run(ctx, users.Config{Service: usersConfig}, servicetest.NoEnv, stdout)
	}).URL
	return servicetest.StartReady(t, run(t, ordersConfig, usersURL)).URL, usersURL
}

// requireTidy checks that nothing is left that anybody would count.
func requireTidy(t *testing.T, ordersURL, usersURL, printed string) {
	t.Helper()
	require.Equal(t, "0", servicetest.API{URL: usersURL}.Get(t, "/users").At(t, "count"), printed)
	api := servicetest.API{URL: ordersURL}
	require.Equal(t, api.Get(t, "/orders").At(t, "count"), api.Get(t, "/orders?status=cancelled").At(t, "count"), printed)
}

func TestAReleaseThatWorksPassesAndKeepsNothing(t *testing.T) {
	test := func(t *testing.T, ordersConfig, usersConfig settings.Service) {
		ordersURL, usersURL := startEmpty(t, ordersConfig, usersConfig)
		for range 2 {
			printed, err := checkRelease(t, ordersURL, usersURL)
			require.NoError(t, err, printed)
			require.NotContains(t, printed, "FAIL")
			requireTidy(t, ordersURL, usersURL, printed)
		}
		require.Equal(t, "2", servicetest.API{URL: ordersURL}.Get(t, "/orders").At(t, "count"))
	}
	t.Run("SQLite", func(t *testing.T) { test(t, servicetest.SQLite(t), servicetest.SQLite(t)) })
	t.Run("PostgreSQL", func(t *testing.T) { test(t, servicetest.Postgres(t), servicetest.Postgres(t)) })
}

// spoil answers calls of a pattern, such as "GET /orders/{id}", by a status and
// a body.
func spoil(pattern string, status int, body string) func(http.ResponseWriter, *http.Request) bool {
	mux := http.NewServeMux()
	mux.HandleFunc(pattern, func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(status)
		_, _ = io.WriteString(w, body)
	})
	return func(w http.ResponseWriter, r *http.Request) bool {
		handler, found := mux.Handler(r)
		if found == "" {
			return false
		}
		handler.ServeHTTP(w, r)
		return true
	}
}

// withoutKeys makes every request a new one.
func withoutKeys(_ http.ResponseWriter, r *http.Request) bool {
	r.Header.Del("Idempotency-Key")
	return false
}

// forFirstUser places every order for the first user.
func forFirstUser(_ http.ResponseWriter, r *http.Request) bool {
	if r.Method == http.MethodPost {
		r.Body = io.NopCloser(bytes.NewBufferString(`{"user_id": 1, "product": "Other", "quantity": 1, "price": 1}`))
		r.ContentLength = -1
		r.Header.Del("Idempotency-Key")
	}
	return false
}

func TestABrokenReleaseFailsByTheNameOfTheCheckAndKeepsNothing(t *testing.T) {
	const (
		order   = `{"id": 1, "user_id": 9, "product": "Other", "quantity": 1, "price": 1, "status": "pending", "created_at": "2025-01-10T00:00:00Z"}`
		details = `{"order": ` + order + `, "user_details": null, "communication_status": "failed"}`
		aware   = `{"service": "orders-service", "status": "degraded", "dependencies": {"users-service": "unreachable"}}`
	)
	tests := map[string]struct {
		failed string
		spoil  func(http.ResponseWriter, *http.Request) bool
	}{
		"health away":             {"orders is healthy and reaches users", spoil("GET /health", 503, "")},
		"users out of reach":      {"orders is healthy and reaches users", spoil("GET /health", 200, aware)},
		"no order can be created": {"an order is created for the user; an order for an unknown user is refused", spoil("POST /orders", 500, "")},
		"orders for anybody":      {"the same order again is the same order; an order for an unknown user is refused", forFirstUser},
		"reads are away":          {"the order is read back; an unknown order is not found", spoil("GET /orders/{id}", 500, "")},
		"another order is read":   {"the order is read back; an unknown order is not found", spoil("GET /orders/{id}", 200, order)},
		"details without user":    {"the order's details hold the user", spoil("GET /orders/{id}/details", 200, details)},
		"keys are ignored":        {"the same order again is the same order", withoutKeys},
		"metrics away":            {"metrics are answered", spoil("GET /metrics", 404, "")},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			ordersURL, usersURL := startEmpty(t, servicetest.SQLite(t), servicetest.SQLite(t))
			printed, err := checkRelease(t, servicetest.WithFaultyResponses(t, ordersURL, test.spoil), usersURL)
			require.EqualError(t, err, "the release does not work: "+test.failed, printed)
			requireTidy(t, ordersURL, usersURL, printed)
		})
	}
}

func TestAReleaseWithoutUsersFailsByTheNameOfTheCheck(t *testing.T) {
	ordersURL, usersURL := startEmpty(t, servicetest.SQLite(t), servicetest.SQLite(t))
	for failed, spoiled := range map[string]func(http.ResponseWriter, *http.Request) bool{
		"users is healthy":  spoil("GET /health", 503, ""),
		"a user is created": spoil("POST /users", 503, ""),
	} {
		_, err := checkRelease(t, ordersURL, servicetest.WithFaultyResponses(t, usersURL, spoiled))
		require.ErrorContains(t, err, failed)
	}
}

func TestAnOrderThatCannotBePutAwayFailsTheRelease(t *testing.T) {
	ordersURL, usersURL := startEmpty(t, servicetest.SQLite(t), servicetest.SQLite(t))
	_, err := checkRelease(t, servicetest.WithFaultyResponses(t, ordersURL, spoil("PATCH /orders/{id}", 500, "")), usersURL)
	require.EqualError(t, err, "the release does not work: put away order 1")
}
