package orders_test

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"tandem/src/chassis/httpclient"
	"tandem/src/chassis/web"
	"tandem/src/orders"
	"tandem/src/testkit/servicetest"
	"tandem/src/testkit/telemetrytest"
	"tandem/src/users/client"
)

// FuzzRoutes sends random requests to all routes of the service, which use a real
// store. No response may have a status of 500 or more.
func FuzzRoutes(f *testing.F) {
	db := openDatabase(f, servicetest.SQLite(f))
	signals, _ := telemetrytest.New(f)
	router := web.NewRouter(signals, 10)
	orders.Routes(router, orders.NewStore(db), newUsersStubClient(f))
	router.Open()

	f.Add("GET", "/orders", "user_id=1&status=shipped&limit=3&expand=user&cursor=YWZ0ZXI6Mg", "", "")
	f.Add("POST", "/orders", "", laptopJSON(), `"key"`)
	f.Add("POST", "/orders", "", `{"user_id": 1e0, "product": " ", "quantity": 1e6, "price": 1e9}`, "\x7f")
	f.Add("PATCH", "/orders/1", "", statusJSON("shipped"), "")
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

// newUsersStubClient starts a stub of the users service, which responds to every
// request with the user 1, and returns a client of it.
func newUsersStubClient(f *testing.F) *client.Client {
	f.Helper()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		writeUser(w, r)
	}))
	f.Cleanup(server.Close)
	users, err := client.New(httpclient.Config{
		BaseURL: servicetest.URL(f, server.URL).URL, Timeout: 30 * time.Second, AttemptTimeout: 20 * time.Second,
	})
	require.NoError(f, err)
	f.Cleanup(users.Close)
	return users
}
