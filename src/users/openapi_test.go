package users_test

import (
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/stretchr/testify/require"

	"tandem/src/chassis/web"
	"tandem/src/testkit/contracttest"
	"tandem/src/testkit/servicetest"
	"tandem/src/testkit/telemetrytest"
	"tandem/src/users"
)

func TestOpenAPI(t *testing.T) {
	t.Run("sends every documented response", func(t *testing.T) {
		c := loadContract(t)
		config := servicetest.SQLite(t)
		config.SeedDemoData = true
		api := servicetest.API{URL: servicetest.StartReady(t, runUsers(config)).URL, Transport: c.Transport(nil)}

		api.Get(t, "/health").Require(t, 200)
		api.Get(t, "/health?ready=1").Require(t, 200)
		api.Get(t, "/health?ready=no").Require(t, 400)
		api.Get(t, "/version").Require(t, 200)
		api.Get(t, "/metrics").Require(t, 200)
		api.Get(t, "/openapi.yaml").Require(t, 200)
		api.Get(t, "/users?ids=1,2&active=all").Require(t, 200)
		api.Get(t, "/users?limit=0").Require(t, 400)
		api.Get(t, "/users/1").Require(t, 200)
		api.Get(t, "/users/99").Require(t, 404)

		large := `{"name": "` + string(make([]byte, web.MaxBody)) + `"}`
		created := api.Post(t, "/users", adaJSON()).Require(t, 201)
		api.Post(t, "/users", adaJSON()).Require(t, 409)
		api.Post(t, "/users", `{}`).Require(t, 400)
		api.Post(t, "/users", large).Require(t, 413)
		api.Post(t, "/users", adaJSON(), "Content-Type", "text/plain").Require(t, 415)
		api.Post(t, "/users", adaJSON(), "Content-Encoding", "gzip").Require(t, 415)

		location := created.Header.Get("Location")
		api.Patch(t, location, `{"active": false}`).Require(t, 200)
		api.Patch(t, location, `{"active": 1}`).Require(t, 400)
		api.Patch(t, location, `{"email": "JUAN@email.com"}`).Require(t, 409)
		api.Patch(t, location, large).Require(t, 413)
		api.Call(t, "PATCH", location, `{}`, "Content-Type", "text/plain").Require(t, 415)
		api.Call(t, "PATCH", location, `{}`, "Content-Encoding", "gzip").Require(t, 415)
		api.Call(t, "PATCH", location, `{"active": false}`, "Content-Type", "application/merge-patch+json").Require(t, 200)
		api.Patch(t, "/users/99", `{"active": false}`).Require(t, 404)

		callAll := func(api servicetest.API, status int) {
			api.Get(t, "/users").Require(t, status)
			api.Get(t, "/users/1").Require(t, status)
			api.Post(t, "/users", adaJSON()).Require(t, status)
			api.Patch(t, "/users/1", `{"active": true}`).Require(t, status)
		}
		callAll(startWithoutDatabase(t, c), 500)
		starting := servicetest.API{URL: servicetest.Start(t, runUsers(servicetest.Unreachable(t))).URL, Transport: c.Transport(nil)}
		callAll(starting, 503)
		starting.Get(t, "/health?ready=1").Require(t, 503)

		slow := servicetest.API{URL: api.URL, Transport: c.Transport(servicetest.HalfBodies{})}
		t.Run("bodies that do not arrive", func(t *testing.T) {
			for method, path := range map[string]string{"POST": "/users", "PATCH": location} {
				t.Run(method, func(t *testing.T) {
					t.Parallel()
					slow.Call(t, method, path, `{"active": false}`).Require(t, 408)
				})
			}
		})

		c.RequireAllSeen(t)
	})

	t.Run("has exactly the documented routes", func(t *testing.T) {
		signals, _ := telemetrytest.New(t)
		router := web.NewRouter(signals, 10)
		users.Routes(router, users.NewStore(nil), nil)
		common := []string{"GET /health", "GET /metrics", "GET /version"}
		loadContract(t).RequireSameRoutes(t, append(router.Routes(), common...))
	})

	t.Run("the service and the schema have one definition of white space", func(t *testing.T) {
		loadContract(t).RequireSameText(t, "UserName", func(text string) bool {
			return len(users.Changes{Name: &text}.Validate()) == 0
		})
	})

	t.Run("the service validates bodies as the schemas do", func(t *testing.T) {
		c := loadContract(t)
		config := servicetest.SQLite(t)
		config.SeedDemoData = true
		api := servicetest.API{URL: servicetest.StartReady(t, runUsers(config)).URL, Transport: c.Transport(nil)}
		for operation, call := range map[string]struct{ method, path string }{
			"createUser": {http.MethodPost, "/users"},
			"updateUser": {http.MethodPatch, "/users/1"},
		} {
			bodies, err := contracttest.Bodies(c, operation)
			require.NoError(t, err)
			require.NotEmpty(t, bodies)
			for _, body := range bodies {
				response := api.Call(t, call.method, call.path, string(body.JSON))
				require.Equal(t, !body.Valid, response.Status == 400, "%s %s: %s", operation, body.Name, response.Text)
			}
		}
	})
}

// startWithoutDatabase serves the routes of users with a store that has no
// database, so that every call to the store panics.
func startWithoutDatabase(t *testing.T, c *contracttest.Contract) servicetest.API {
	t.Helper()
	signals, _ := telemetrytest.New(t)
	router := web.NewRouter(signals, 10)
	users.Routes(router, users.NewStore(nil), nil)
	router.Open()
	server := httptest.NewServer(router)
	t.Cleanup(server.Close)
	return servicetest.API{URL: server.URL, Transport: c.Transport(nil)}
}
