package users_test

import (
	"context"
	"encoding/json"
	"io"
	"os"
	"testing"

	"github.com/stretchr/testify/require"

	"tandem/src/chassis/settings"
	"tandem/src/testkit/contracttest"
	"tandem/src/testkit/servicetest"
	"tandem/src/users"
)

// runUsers returns a function that runs the service.
func runUsers(service settings.Service) func(context.Context, io.Writer) error {
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

// testService runs a subtest against the service, once on SQLite and once on
// PostgreSQL. The API checks that every request and response conform to
// openapi.yaml.
func testService(t *testing.T, name string, test func(t *testing.T, api servicetest.API)) {
	t.Run(name, func(t *testing.T) {
		servicetest.OnBothDatabases(t, func(t *testing.T, config settings.Service) {
			service := servicetest.StartReady(t, runUsers(config))
			test(t, servicetest.API{URL: service.URL, Transport: loadContract(t).Transport(nil)})
		})
	})
}

// userJSON returns the body of a POST /users request.
func userJSON(name, email string) string {
	body, err := json.Marshal(map[string]string{"name": name, "email": email})
	if err != nil {
		panic(err) // strings always have a JSON form
	}
	return string(body)
}

// adaJSON returns the body of a POST /users request for a user who is not in the
// demo data.
func adaJSON() string { return userJSON("Ada Lovelace", "ada@example.com") }

func TestRouting(t *testing.T) {
	config := servicetest.SQLite(t)
	api := servicetest.API{URL: servicetest.StartReady(t, runUsers(config)).URL, Transport: loadContract(t).Transport(nil)}
	t.Run("responds 404 to an unknown path", func(t *testing.T) {
		api.Get(t, "/nope").Require(t, 404)
		api.Get(t, "//users").Require(t, 404)
		api.Get(t, "/users/").Require(t, 404)
	})
	t.Run("responds 405 with Allow to an unknown method", func(t *testing.T) {
		response := api.Call(t, "DELETE", "/users/1", "").Require(t, 405)
		require.Equal(t, "GET, HEAD, PATCH", response.Header.Get("Allow"))
	})
	t.Run("responds to HEAD", func(t *testing.T) {
		api.Call(t, "HEAD", "/users", "").Require(t, 200)
	})
}
