package client_test

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
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
