package orders_test

import (
	"context"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"tandem/src/chassis/settings"
	"tandem/src/chassis/web"
	"tandem/src/orders"
	"tandem/src/testkit/contracttest"
	"tandem/src/testkit/servicetest"
	"tandem/src/testkit/telemetrytest"
	"tandem/src/users"
)

// run is the whole service with those settings, asking users at a URL.
func run(t testing.TB, config settings.Service, usersURL string) func(context.Context, io.Writer) error {
	t.Helper()
	whole := orders.Config{
		Service: config, UsersURL: servicetest.URL(t, usersURL),
		UsersCalls: orders.UsersCalls{UsersTimeout: 2 * time.Second, UsersTryTimeout: time.Second},
	}
	return func(ctx context.Context, stdout io.Writer) error {
		return orders.Run(ctx, whole, servicetest.NoEnv, stdout)
	}
}

func runUsers(config settings.Service) func(context.Context, io.Writer) error {
	config.SeedDemoData = true
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

// pair is both services, running.
type pair struct {
	servicetest.API // of orders
	orders, users   *servicetest.Service
}

// start runs both services, users with the demo's rows, and checks every
// exchange with orders against its contract.
func start(t *testing.T, ordersConfig, usersConfig settings.Service) pair {
	t.Helper()
	u := servicetest.StartReady(t, runUsers(usersConfig))
	o := servicetest.StartReady(t, run(t, ordersConfig, u.URL))
	return pair{servicetest.API{URL: o.URL, Transport: contract(t).Transport(nil)}, o, u}
}

// onBoth runs a test against both whole services on each kind of store.
func onBoth(t *testing.T, test func(t *testing.T, p pair)) {
	t.Run("SQLite", func(t *testing.T) { test(t, start(t, servicetest.SQLite(t), servicetest.SQLite(t))) })
	t.Run("PostgreSQL", func(t *testing.T) { test(t, start(t, servicetest.Postgres(t), servicetest.Postgres(t))) })
}

// onStub runs orders on SQLite against a handler in place of users.
func onStub(t *testing.T, stub http.Handler) servicetest.API {
	t.Helper()
	server := httptest.NewServer(stub)
	t.Cleanup(server.Close)
	service := servicetest.StartReady(t, run(t, servicetest.SQLite(t), server.URL))
	return servicetest.API{URL: service.URL, Transport: contract(t).Transport(nil)}
}

const laptop = `{"user_id": 1, "product": "Laptop", "quantity": 1, "price": 899.99}`

func TestEveryDocumentedAnswerIsGiven(t *testing.T) {
	c := contract(t)
	seeded := servicetest.SQLite(t)
	seeded.SeedDemoData = true
	p := start(t, seeded, servicetest.SQLite(t))
	p.Transport = c.Transport(nil)
	checked := func(url string) servicetest.API { return servicetest.API{URL: url, Transport: c.Transport(nil)} }

	p.Get(t, "/health").Require(t, 200)
	p.Get(t, "/health?ready=1").Require(t, 200)
	p.Get(t, "/health?ready=no").Require(t, 400)
	p.Get(t, "/version").Require(t, 200)
	p.Get(t, "/metrics").Require(t, 200)
	p.Get(t, "/openapi.yaml").Require(t, 200)
	p.Get(t, "/orders").Require(t, 200)
	p.Get(t, "/orders?expand=user").Require(t, 200)
	p.Get(t, "/orders?status=nope").Require(t, 400)
	p.Get(t, "/orders/stats").Require(t, 200)
	p.Get(t, "/orders/1").Require(t, 200)
	p.Get(t, "/orders/99").Require(t, 404)
	p.Get(t, "/orders/1/details").Require(t, 200)
	p.Get(t, "/orders/99/details").Require(t, 404)

	large := `{"product": "` + strings.Repeat("x", web.MaxBody) + `"}`
	p.Post(t, "/orders", laptop, "Idempotency-Key", "k").Require(t, 201)
	p.Post(t, "/orders", strings.Replace(laptop, "1", "2", 1), "Idempotency-Key", "k").Require(t, 422)
	p.Post(t, "/orders", `{}`).Require(t, 400)
	p.Post(t, "/orders", large).Require(t, 413)
	p.Post(t, "/orders", laptop, "Content-Type", "text/plain").Require(t, 415)
	p.Patch(t, "/orders/4", `{"status": "shipped"}`).Require(t, 200)
	p.Patch(t, "/orders/4", `{"status": "pending"}`).Require(t, 409)
	p.Patch(t, "/orders/4", `{}`).Require(t, 400)
	p.Patch(t, "/orders/4", large).Require(t, 413)
	p.Call(t, "PATCH", "/orders/4", `{}`, "Content-Type", "text/plain").Require(t, 415)
	p.Patch(t, "/orders/99", `{"status": "shipped"}`).Require(t, 404)

	everyCall := func(api servicetest.API, status int) {
		for _, path := range []string{"/orders", "/orders/stats", "/orders/1", "/orders/1/details"} {
			api.Get(t, path).Require(t, status)
		}
		api.Post(t, "/orders", laptop, "Idempotency-Key", "k").Require(t, status)
		api.Patch(t, "/orders/1", `{"status": "shipped"}`).Require(t, status)
	}
	everyCall(checked(broken(t)), 500)
	starting := checked(servicetest.Start(t, run(t, servicetest.Unreachable(t), p.users.URL)).URL)
	everyCall(starting, 503)
	starting.Get(t, "/health?ready=1").Require(t, 503)

	c.RequireAllSeen(t)
}

// broken is the service on a store that has no database: every call of it is a
// defect.
func broken(t *testing.T) (url string) {
	t.Helper()
	signals, _ := telemetrytest.New(t)
	router := web.NewRouter(signals, 10)
	orders.Routes(router, orders.NewStore(nil), nil)
	router.Open()
	server := httptest.NewServer(router)
	t.Cleanup(server.Close)
	return server.URL
}

func TestRoutesAreTheDocumentedOnes(t *testing.T) {
	signals, _ := telemetrytest.New(t)
	router := web.NewRouter(signals, 10)
	orders.Routes(router, orders.NewStore(nil), nil)
	hosts := []string{"GET /health", "GET /metrics", "GET /version"}
	contract(t).RequireSameRoutes(t, append(router.Routes(), hosts...))
}

func TestTheDocumentAndTheServiceAgreeOnEveryBodyAtTheLimits(t *testing.T) {
	c := contract(t)
	seeded := servicetest.SQLite(t)
	seeded.SeedDemoData = true
	p := start(t, seeded, servicetest.SQLite(t))
	p.Transport = c.Transport(nil)
	for operation, call := range map[string]struct{ method, path string }{
		"createOrder": {http.MethodPost, "/orders"},
		"updateOrder": {http.MethodPatch, "/orders/2"},
	} {
		bodies, err := contracttest.Bodies(c, operation)
		require.NoError(t, err)
		require.NotEmpty(t, bodies)
		for _, body := range bodies {
			answer := p.Call(t, call.method, call.path, string(body.JSON))
			_, unknownUser := answer.JSON["user_id"]
			require.Equal(t, !body.Valid, answer.Status == 400 && !unknownUser, "%s %s: %s", operation, body.Name, answer.Text)
		}
	}
}

func TestAnUnknownPathOrMethodIsAProblem(t *testing.T) {
	p := start(t, servicetest.SQLite(t), servicetest.SQLite(t))
	p.Get(t, "/nope").Require(t, 404)
	p.Get(t, "/orders/").Require(t, 404)
	p.Get(t, "/orders/1/").Require(t, 404)
	require.Equal(t, "GET, HEAD, PATCH", p.Call(t, "DELETE", "/orders/1", "").Require(t, 405).Header.Get("Allow"))
	p.Call(t, "HEAD", "/orders/stats", "").Require(t, 200)
}

func TestHealthTellsHowUsersIs(t *testing.T) {
	p := start(t, servicetest.SQLite(t), servicetest.SQLite(t))
	first := p.Get(t, "/health").Require(t, 200)
	require.Equal(t, `"healthy"`, first.At(t, "dependencies", "users-service"))
	require.NoError(t, p.users.Stop())
	require.Eventually(t, func() bool {
		answer := p.Get(t, "/health").Require(t, 200)
		return answer.At(t, "dependencies", "users-service") == `"unreachable"` && answer.At(t, "status") == `"degraded"`
	}, 3*time.Second, 20*time.Millisecond)
	p.Get(t, "/health?ready=1").Require(t, 200)
	require.Contains(t, p.Get(t, "/metrics").Text, `dependency_up{dependency="users-service"} 0`)
}

func TestUsersThatAnswersBadlyIsUnhealthy(t *testing.T) {
	api := onStub(t, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { http.Error(w, "no", 500) }))
	require.Equal(t, `"unhealthy"`, api.Get(t, "/health").At(t, "dependencies", "users-service"))
}
