package orders_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"tandem/src/chassis/database"
	"tandem/src/chassis/httpclient"
	"tandem/src/chassis/web"
	"tandem/src/orders"
	"tandem/src/testkit/servicetest"
	"tandem/src/testkit/telemetrytest"
	"tandem/src/users/client"
)

// FuzzRoutes sends anything to the service's real routes and store: whatever it
// is, the answer is no defect.
func FuzzRoutes(f *testing.F) {
	signals, _ := telemetrytest.New(f)
	db, err := database.Open(f.Context(), database.Config{
		Name: "orders", DataDir: servicetest.SQLite(f).DataDir, Migrations: orders.Migrations(),
	}, signals)
	require.NoError(f, err)
	f.Cleanup(func() { require.NoError(f, db.Close()) })
	router := web.NewRouter(signals, 10)
	orders.Routes(router, orders.NewStore(db), anyUser(f))
	router.Open()

	f.Add("GET", "/orders", "user_id=1&status=shipped&limit=3&expand=user&cursor=YWZ0ZXI6Mg", "", "")
	f.Add("POST", "/orders", "", laptop, `"key"`)
	f.Add("POST", "/orders", "", `{"user_id": 1e0, "product": " ", "quantity": 1e6, "price": 1e9}`, "\x7f")
	f.Add("PATCH", "/orders/1", "", `{"status": "shipped"}`, "")
	f.Add("GET", "/orders/1/details", "", "", "")
	f.Fuzz(func(t *testing.T, method, path, query, body, key string) {
		r := httptest.NewRequest("GET", "/", strings.NewReader(body))
		r.Method, r.URL.Path, r.URL.RawQuery = method, path, query
		r.Header = http.Header{"Content-Type": {"application/json"}, "Idempotency-Key": {key}}
		w := httptest.NewRecorder()
		router.ServeHTTP(w, r)
		require.Less(t, w.Code, 500, "%s", w.Body)
	})
}

// anyUser is a client of a users service that knows every user.
func anyUser(f *testing.F) *client.Client {
	f.Helper()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		_, _ = fmt.Fprint(w, `{"id": 1, "name": "A", "email": "a@example.com", "active": true, "created_at": "2025-01-01T00:00:00Z"}`)
	}))
	f.Cleanup(server.Close)
	users, err := client.New(httpclient.Config{BaseURL: servicetest.URL(f, server.URL).URL, Timeout: 30 * time.Second, AttemptTimeout: 20 * time.Second})
	require.NoError(f, err)
	f.Cleanup(users.Close)
	return users
}
