package orders_test

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"tandem/src/chassis/database"
	"tandem/src/chassis/failure"
	"tandem/src/chassis/web"
	"tandem/src/orders"
	"tandem/src/testkit/contracttest"
	"tandem/src/testkit/servicetest"
	"tandem/src/testkit/telemetrytest"
)

func TestOpenAPI(t *testing.T) {
	t.Run("sends every documented response", func(t *testing.T) {
		c := loadContract(t)
		config := servicetest.SQLite(t)
		config.SeedDemoData = true
		s := startServices(t, config, servicetest.SQLite(t))
		s.Transport = c.Transport(nil)
		withContract := func(url string) servicetest.API { return servicetest.API{URL: url, Transport: c.Transport(nil)} }

		s.Get(t, "/health").Require(t, 200)
		s.Get(t, "/health?ready=1").Require(t, 200)
		s.Get(t, "/health?ready=no").Require(t, 400)
		s.Get(t, "/version").Require(t, 200)
		s.Get(t, "/metrics").Require(t, 200)
		s.Get(t, "/openapi.yaml").Require(t, 200)
		s.Get(t, "/orders").Require(t, 200)
		s.Get(t, "/orders?expand=user").Require(t, 200)
		s.Get(t, "/orders?status=nope").Require(t, 400)
		s.Get(t, "/orders/stats").Require(t, 200)
		s.Get(t, "/orders/1").Require(t, 200)
		s.Get(t, "/orders/99").Require(t, 404)
		s.Get(t, "/orders/1/details").Require(t, 200)
		s.Get(t, "/orders/99/details").Require(t, 404)

		large := `{"product": "` + strings.Repeat("x", web.MaxBody) + `"}`
		s.Post(t, "/orders", laptopJSON(), "Idempotency-Key", "k").Require(t, 201)
		s.Post(t, "/orders", orderJSON(2, "Laptop", 1, 899.99), "Idempotency-Key", "k").Require(t, 422)
		s.Post(t, "/orders", `{}`).Require(t, 400)
		s.Post(t, "/orders", large).Require(t, 413)
		s.Post(t, "/orders", laptopJSON(), "Content-Type", "text/plain").Require(t, 415)
		s.Post(t, "/orders", laptopJSON(), "Content-Encoding", "gzip").Require(t, 415)
		s.Patch(t, "/orders/4", statusJSON("shipped")).Require(t, 200)
		s.Patch(t, "/orders/4", statusJSON("pending")).Require(t, 409)
		s.Patch(t, "/orders/4", `{}`).Require(t, 400)
		s.Patch(t, "/orders/4", large).Require(t, 413)
		s.Call(t, "PATCH", "/orders/4", `{}`, "Content-Type", "text/plain").Require(t, 415)
		s.Call(t, "PATCH", "/orders/4", `{}`, "Content-Encoding", "gzip").Require(t, 415)
		s.Call(t, "PATCH", "/orders/4", statusJSON("completed"), "Content-Type", "application/merge-patch+json").Require(t, 200)
		s.Patch(t, "/orders/99", statusJSON("shipped")).Require(t, 404)

		callAll := func(api servicetest.API, status int) {
			for _, path := range []string{"/orders", "/orders/stats", "/orders/1", "/orders/1/details"} {
				api.Get(t, path).Require(t, status)
			}
			api.Post(t, "/orders", laptopJSON(), "Idempotency-Key", "k").Require(t, status)
			api.Patch(t, "/orders/1", statusJSON("shipped")).Require(t, status)
		}
		callAll(withContract(startWithoutDatabase(t)), 500)
		starting := withContract(servicetest.Start(t, runOrders(t, servicetest.Unreachable(t), s.users.URL)).URL)
		callAll(starting, 503)
		starting.Get(t, "/health?ready=1").Require(t, 503)

		slow := servicetest.API{URL: s.URL, Transport: c.Transport(servicetest.HalfBodies{})}
		t.Run("bodies that do not arrive", func(t *testing.T) {
			for method, path := range map[string]string{"POST": "/orders", "PATCH": "/orders/4"} {
				t.Run(method, func(t *testing.T) {
					t.Parallel()
					slow.Call(t, method, path, `{"status": "shipped"}`).Require(t, 408)
				})
			}
		})

		c.RequireAllSeen(t)
	})

	t.Run("has exactly the documented routes", func(t *testing.T) {
		signals, _ := telemetrytest.New(t)
		router := web.NewRouter(signals, 10)
		orders.Routes(router, orders.NewStore(new(database.DB)), nil)
		common := []string{"GET /health", "GET /metrics", "GET /version"}
		loadContract(t).RequireSameRoutes(t, append(router.Routes(), common...))
	})

	t.Run("the service and the schema have one definition of white space", func(t *testing.T) {
		loadContract(t).RequireSameText(t, "ProductName", func(text string) bool {
			return len(orders.NewOrder{UserID: 1, Product: text, Quantity: 1}.Validate()) == 0
		})
		loadContract(t).RequireSameText(t, "UserName", func(text string) bool {
			var invalid failure.Fields
			invalid.CheckText("name", text)
			return len(invalid) == 0
		})
	})

	t.Run("the service validates bodies as the schemas do", func(t *testing.T) {
		c := loadContract(t)
		config := servicetest.SQLite(t)
		config.SeedDemoData = true
		s := startServices(t, config, servicetest.SQLite(t))
		s.Transport = c.Transport(nil)
		for operation, call := range map[string]struct{ method, path string }{
			"createOrder": {http.MethodPost, "/orders"},
			"updateOrder": {http.MethodPatch, "/orders/2"},
		} {
			bodies, err := contracttest.Bodies(c, operation)
			require.NoError(t, err)
			require.NotEmpty(t, bodies)
			for _, body := range bodies {
				response := s.Call(t, call.method, call.path, string(body.JSON))
				_, unknownUser := response.JSON["user_id"]
				require.Equal(t, !body.Valid, response.Status == 400 && !unknownUser, "%s %s: %s", operation, body.Name, response.Text)
			}
		}
	})
}

// startWithoutDatabase serves the routes of orders with a store that has no
// database, so that every call to the store panics.
func startWithoutDatabase(t *testing.T) (url string) {
	t.Helper()
	signals, _ := telemetrytest.New(t)
	router := web.NewRouter(signals, 10)
	orders.Routes(router, orders.NewStore(new(database.DB)), nil)
	router.Open()
	server := httptest.NewServer(router)
	t.Cleanup(server.Close)
	return server.URL
}
