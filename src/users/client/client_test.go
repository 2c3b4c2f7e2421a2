package client_test

import (
	"context"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"tandem/src/chassis/failure"
	"tandem/src/chassis/health"
	"tandem/src/chassis/httpclient"
	"tandem/src/testkit/servicetest"
	"tandem/src/users"
	"tandem/src/users/client"
)

// newClient returns a client of the users service at the URL.
func newClient(t *testing.T, url string) *client.Client {
	t.Helper()
	c, err := client.New(httpclient.Config{
		BaseURL: servicetest.URL(t, url).URL, Timeout: 5 * time.Second, AttemptTimeout: 2 * time.Second,
	})
	require.NoError(t, err)
	t.Cleanup(c.Close)
	return c
}

// startService starts the users service with the demo data.
func startService(t *testing.T) *servicetest.Service {
	t.Helper()
	config := servicetest.SQLite(t)
	config.SeedDemoData = true
	return servicetest.StartReady(t, func(ctx context.Context, stdout io.Writer) error {
		return users.Run(ctx, users.Config{Service: config}, servicetest.NoEnv, stdout)
	})
}

// startStub starts a server that responds to every request in the same way.
func startStub(t *testing.T, status int, mediaType, body string) string {
	t.Helper()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", mediaType)
		w.WriteHeader(status)
		_, _ = fmt.Fprint(w, body)
	}))
	t.Cleanup(server.Close)
	return server.URL
}

func TestClient(t *testing.T) {
	t.Run("decodes the responses of the service", func(t *testing.T) {
		service := startService(t)
		c := newClient(t, service.URL)
		user, err := c.User(t.Context(), 2)
		require.NoError(t, err)
		require.Equal(t, client.User{
			ID: 2, Name: "Maria Gonzalez", Email: "maria@email.com", Active: true,
			CreatedAt: time.Date(2025, 1, 12, 0, 0, 0, 0, time.UTC),
		}, user)
		_, err = c.User(t.Context(), 99)
		require.Equal(t, failure.NotFound, failure.CodeOf(err))

		servicetest.API{URL: service.URL}.Patch(t, "/users/3", `{"active": false}`).Require(t, 200)
		found, err := c.Users(t.Context(), []int64{1, 3, 99})
		require.NoError(t, err)
		require.Len(t, found, 2)
		require.False(t, found[3].Active)

		require.Equal(t, health.Healthy, c.Health(t.Context()))
		require.NoError(t, service.Stop())
		require.Equal(t, health.Unreachable, c.Health(t.Context()))
		_, err = c.User(t.Context(), 1)
		require.Equal(t, failure.Unavailable, failure.CodeOf(err))
	})

	t.Run("reads 100 users in one call", func(t *testing.T) {
		ids := make([]int64, 100)
		for i := range ids {
			ids[i] = int64(1)<<62 + int64(i)
		}
		found, err := newClient(t, startService(t).URL).Users(t.Context(), ids)
		require.NoError(t, err)
		require.Empty(t, found)
	})

	t.Run("returns the error of a cancelled request", func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		_, err := newClient(t, startStub(t, 200, "application/json", `{}`)).User(ctx, 1)
		require.ErrorIs(t, err, context.Canceled)
	})
}

func TestUnavailable(t *testing.T) {
	tests := map[string]string{
		"internal error":           startStub(t, 500, "application/problem+json", `{}`),
		"404 from a proxy":         startStub(t, 404, "text/plain", "404 page not found"),
		"forbidden":                startStub(t, 403, "application/json", `{}`),
		"404 from another service": startStub(t, 404, "application/problem+json", `{"error": "There is no such path."}`),
		"not JSON":                 startStub(t, 200, "application/json", "<html>"),
		"redirect without a URL":   startStub(t, 302, "text/plain", ""),
		"connection refused":       "http://127.0.0.1:1",
		"host name does not exist": "http://no-such-host.invalid",
	}
	for name, url := range tests {
		t.Run(name, func(t *testing.T) {
			_, err := newClient(t, url).User(t.Context(), 1)
			require.Equal(t, failure.Unavailable, failure.CodeOf(err), "%v", err)
		})
	}
}

// userWith returns a user in JSON with some members replaced. A member that is
// replaced by the empty text is left out.
func userWith(replaced map[string]string) string {
	members := map[string]string{
		"id": "1", "name": `"Ada"`, "email": `"ada@example.com"`, "active": "true", "created_at": `"2025-01-10T00:00:00Z"`,
	}
	maps.Copy(members, replaced)
	var parts []string
	for name, value := range members {
		if value != "" {
			parts = append(parts, `"`+name+`": `+value)
		}
	}
	return "{" + strings.Join(parts, ", ") + "}"
}

func TestWrongResponse(t *testing.T) {
	long := func(n int) string { return `"` + strings.Repeat("ä", n) + `"` }
	wrong := map[string]string{
		"an empty object": `{}`, "null": `null`, "a list": `[]`,
		"another id": userWith(map[string]string{"id": "2"}), "no id": userWith(map[string]string{"id": ""}),
		"an id with a fraction": userWith(map[string]string{"id": "1.5"}),
		"no name":               userWith(map[string]string{"name": ""}), "name null": userWith(map[string]string{"name": "null"}),
		"a blank name": userWith(map[string]string{"name": `" "`}), "a long name": userWith(map[string]string{"name": long(201)}),
		"a name of 3 MB": userWith(map[string]string{"name": long(3 << 19)}),
		"no email":       userWith(map[string]string{"email": ""}), "an empty email": userWith(map[string]string{"email": `""`}),
		"a long email": userWith(map[string]string{"email": long(255)}),
		"no active":    userWith(map[string]string{"active": ""}), "active null": userWith(map[string]string{"active": "null"}),
		"active as text": userWith(map[string]string{"active": `"true"`}),
		"no created_at":  userWith(map[string]string{"created_at": ""}), "no date": userWith(map[string]string{"created_at": `"today"`}),
		"id twice": `{"id": 1, ` + userWith(nil)[1:],
	}
	for name, body := range wrong {
		t.Run(name, func(t *testing.T) {
			_, err := newClient(t, startStub(t, 200, "application/json", body)).User(t.Context(), 1)
			require.Equal(t, failure.Unavailable, failure.CodeOf(err), "%v", err)
			require.Less(t, len(err.Error()), 1000)
			_, err = newClient(t, startStub(t, 200, "application/json", `{"users": [`+body+`]}`)).Users(t.Context(), []int64{1, 7})
			require.Equal(t, failure.Unavailable, failure.CodeOf(err), "%v", err)
		})
	}
	t.Run("of a list", func(t *testing.T) {
		for _, body := range []string{
			`{}`, `null`, `{"users": null}`, `{"users": {}}`,
			`{"users": [` + userWith(nil) + `, ` + userWith(nil) + `]}`, `{"users": [` + userWith(nil) + `], "next_cursor": "YWZ0ZXI6Mg"}`,
		} {
			_, err := newClient(t, startStub(t, 200, "application/json", body)).Users(t.Context(), []int64{1})
			require.Equal(t, failure.Unavailable, failure.CodeOf(err), "%v", err)
		}
	})
	t.Run("404 for another user", func(t *testing.T) {
		for body, want := range map[string]failure.Code{
			`{"user_id": 1}`: failure.NotFound, `{"user_id": 2}`: failure.Unavailable, `{"user_id": null}`: failure.Unavailable,
		} {
			_, err := newClient(t, startStub(t, 404, "application/problem+json", body)).User(t.Context(), 1)
			require.Equal(t, want, failure.CodeOf(err), "%v", err)
		}
	})
	t.Run("is none with unknown members and values at the bounds", func(t *testing.T) {
		body := userWith(map[string]string{"name": long(200), "email": long(254), "active": "false", "more": "[1]"})
		user, err := newClient(t, startStub(t, 200, "application/json", body)).User(t.Context(), 1)
		require.NoError(t, err)
		require.False(t, user.Active)
		found, err := newClient(t, startStub(t, 200, "application/json", `{"users": [`+body+`]}`)).Users(t.Context(), []int64{7, 1})
		require.NoError(t, err)
		require.Equal(t, map[int64]client.User{1: user}, found)
	})
}

func TestHealth(t *testing.T) {
	for want, url := range map[string]string{
		health.Healthy:     startStub(t, 200, "application/json", `{"status": "healthy", "service": "users-service"}`),
		health.Unhealthy:   startStub(t, 200, "application/json", `{"status": "degraded"}`),
		health.Unreachable: "http://127.0.0.1:1",
	} {
		require.Equal(t, want, newClient(t, url).Health(t.Context()))
	}
	require.Equal(t, health.Unhealthy, newClient(t, startStub(t, 503, "application/json", `{}`)).Health(t.Context()))
}
