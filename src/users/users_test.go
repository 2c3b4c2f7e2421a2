package users_test

import (
	"context"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"testing"

	"github.com/stretchr/testify/require"

	"tandem/src/chassis/settings"
	"tandem/src/chassis/web"
	"tandem/src/testkit/contracttest"
	"tandem/src/testkit/servicetest"
	"tandem/src/testkit/telemetrytest"
	"tandem/src/users"
)

// run is the whole service with those settings.
func run(config settings.Service) func(context.Context, io.Writer) error {
	return func(ctx context.Context, stdout io.Writer) error {
		return users.Run(ctx, users.Config{Service: config}, servicetest.NoEnv, stdout)
	}
}

func contract(t *testing.T) *contracttest.Contract {
	t.Helper()
	document, err := os.ReadFile("openapi.yaml")
	require.NoError(t, err)
	return contracttest.Load(t, document)
}

// onBoth runs a test against the whole service on each kind of store, every
// exchange checked against the contract.
func onBoth(t *testing.T, test func(t *testing.T, api servicetest.API)) {
	servicetest.OnBothStores(t, func(t *testing.T, config settings.Service) {
		service := servicetest.StartReady(t, run(config))
		test(t, servicetest.API{URL: service.URL, Transport: contract(t).Transport(nil)})
	})
}

// broken is the service on a store that has no database: every call of it is a
// defect.
func broken(t *testing.T, c *contracttest.Contract) servicetest.API {
	t.Helper()
	signals, _ := telemetrytest.New(t)
	router := web.NewRouter(signals, 10)
	users.Routes(router, users.NewStore(nil))
	router.Open()
	server := httptest.NewServer(router)
	t.Cleanup(server.Close)
	return servicetest.API{URL: server.URL, Transport: c.Transport(nil)}
}

const ada = `{"name": "Ada Lovelace", "email": "ada@example.com"}`

func TestEveryDocumentedAnswerIsGiven(t *testing.T) {
	c := contract(t)
	config := servicetest.SQLite(t)
	config.SeedDemoData = true
	api := servicetest.API{URL: servicetest.StartReady(t, run(config)).URL, Transport: c.Transport(nil)}

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
	created := api.Post(t, "/users", ada).Require(t, 201)
	api.Post(t, "/users", ada).Require(t, 409)
	api.Post(t, "/users", `{}`).Require(t, 400)
	api.Post(t, "/users", large).Require(t, 413)
	api.Post(t, "/users", ada, "Content-Type", "text/plain").Require(t, 415)

	location := created.Header.Get("Location")
	api.Patch(t, location, `{"active": false}`).Require(t, 200)
	api.Patch(t, location, `{"active": 1}`).Require(t, 400)
	api.Patch(t, location, `{"email": "JUAN@email.com"}`).Require(t, 409)
	api.Patch(t, location, large).Require(t, 413)
	api.Call(t, "PATCH", location, `{}`, "Content-Type", "text/plain").Require(t, 415)
	api.Patch(t, "/users/99", `{"active": false}`).Require(t, 404)

	everyCall := func(api servicetest.API, status int) {
		api.Get(t, "/users").Require(t, status)
		api.Get(t, "/users/1").Require(t, status)
		api.Post(t, "/users", ada).Require(t, status)
		api.Patch(t, "/users/1", `{"active": true}`).Require(t, status)
	}
	everyCall(broken(t, c), 500)
	starting := servicetest.API{URL: servicetest.Start(t, run(servicetest.Unreachable(t))).URL, Transport: c.Transport(nil)}
	everyCall(starting, 503)
	starting.Get(t, "/health?ready=1").Require(t, 503)

	c.RequireAllSeen(t)
}

func TestRoutesAreTheDocumentedOnes(t *testing.T) {
	signals, _ := telemetrytest.New(t)
	router := web.NewRouter(signals, 10)
	users.Routes(router, users.NewStore(nil))
	hosts := []string{"GET /health", "GET /metrics", "GET /version"}
	contract(t).RequireSameRoutes(t, append(router.Patterns(), hosts...))
}

func TestTheDocumentAndTheServiceAgreeOnEveryBodyAtTheLimits(t *testing.T) {
	c := contract(t)
	config := servicetest.SQLite(t)
	config.SeedDemoData = true
	api := servicetest.API{URL: servicetest.StartReady(t, run(config)).URL, Transport: c.Transport(nil)}
	for operation, call := range map[string]struct{ method, path string }{
		"createUser": {http.MethodPost, "/users"},
		"updateUser": {http.MethodPatch, "/users/1"},
	} {
		bodies, err := contracttest.Bodies(c, operation)
		require.NoError(t, err)
		require.NotEmpty(t, bodies)
		for _, body := range bodies {
			answer := api.Call(t, call.method, call.path, string(body.JSON))
			require.Equal(t, !body.Valid, answer.Status == 400, "%s %s: %s", operation, body.Name, answer.Text)
		}
	}
}

func TestAnUnknownPathOrMethodIsAProblem(t *testing.T) {
	api := servicetest.API{URL: servicetest.StartReady(t, run(servicetest.SQLite(t))).URL, Transport: contract(t).Transport(nil)}
	api.Get(t, "/nope").Require(t, 404)
	api.Get(t, "//users").Require(t, 404)
	api.Get(t, "/users/").Require(t, 404)
	refused := api.Call(t, "DELETE", "/users/1", "").Require(t, 405)
	require.Equal(t, "GET, HEAD, PATCH", refused.Header.Get("Allow"))
	api.Call(t, "HEAD", "/users", "").Require(t, 200)
}
