package smoketest_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"tandem/src/chassis/smoketest"
	"tandem/src/testkit/servicetest"
)

var errBroken = errors.New("it is broken")

func fails(context.Context) error  { return errBroken }
func passes(context.Context) error { return nil }

// run runs checks with a short retry timeout.
func run(t *testing.T, checks func(*smoketest.Test)) (printed string, err error) {
	t.Helper()
	var out bytes.Buffer
	err = smoketest.Run(t.Context(), &out, smoketest.Options{RetryTimeout: time.Second}, checks)
	return out.String(), err
}

func TestRun(t *testing.T) {
	t.Run("prints a line for each check and returns those that failed", func(t *testing.T) {
		printed, err := run(t, func(test *smoketest.Test) {
			require.True(t, test.Check("first", passes))
			require.False(t, test.Check("second", fails))
			require.True(t, test.Check("third", passes))
			require.False(t, test.Check("fourth", fails))
		})
		require.EqualError(t, err, "the release does not work: second; fourth")
		require.Regexp(t, `^ok   first \(.*\)\nFAIL second \(.*\): it is broken\nok   third \(.*\)\nFAIL fourth \(.*\): it is broken\n$`, printed)
	})

	t.Run("cleans up in reverse order after a failed check", func(t *testing.T) {
		var order []string
		cleanup := func(name string, err error) func(context.Context) error {
			return func(context.Context) error { order = append(order, name); return err }
		}
		_, err := run(t, func(test *smoketest.Test) {
			test.OnCleanup("user", cleanup("user", nil))
			test.OnCleanup("order", cleanup("order", errBroken))
			test.Check("a check", fails)
		})
		require.EqualError(t, err, "the release does not work: a check; clean up order")
		require.Equal(t, []string{"order", "user"}, order)
	})

	t.Run("cleans up after the context has ended", func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		var cleanupErr error
		err := smoketest.Run(ctx, new(bytes.Buffer), smoketest.Options{RetryTimeout: time.Hour}, func(test *smoketest.Test) {
			test.OnCleanup("user", func(ctx context.Context) error { cleanupErr = ctx.Err(); return nil })
			cancel()
			test.Await("a check", func(ctx context.Context) error { return ctx.Err() })
		})
		require.EqualError(t, err, "the release does not work: a check")
		require.NoError(t, cleanupErr)
	})
}

func TestAwait(t *testing.T) {
	t.Run("repeats a check until it passes", func(t *testing.T) {
		attempts := 0
		_, err := run(t, func(test *smoketest.Test) {
			test.Await("late", func(context.Context) error {
				if attempts++; attempts < 3 {
					return errBroken
				}
				return nil
			})
		})
		require.NoError(t, err)
		require.Equal(t, 3, attempts)
	})

	t.Run("fails after the retry timeout", func(t *testing.T) {
		start := time.Now()
		printed, err := run(t, func(test *smoketest.Test) { test.Await("never", fails) })
		require.Error(t, err)
		require.Contains(t, printed, "it is broken")
		require.WithinRange(t, time.Now(), start.Add(time.Second), start.Add(5*time.Second))
	})
}

// newAPI returns an API that always returns the same response.
func newAPI(t *testing.T, status int, body string) smoketest.API {
	t.Helper()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(status)
		_, _ = fmt.Fprint(w, body)
	}))
	t.Cleanup(server.Close)
	return smoketest.NewAPI(servicetest.URL(t, server.URL))
}

func TestExpect(t *testing.T) {
	t.Run("names the request and quotes the response", func(t *testing.T) {
		response := newAPI(t, 409, `{"error": "taken"}`).Do(t.Context(), smoketest.Request{Method: "POST", Path: "/users", Body: 1})
		require.NoError(t, response.Expect(409, nil))
		require.Regexp(t, `^POST http://.*/users has status 409 instead of 201: \{"error": "taken"\}$`, response.Expect(201, nil).Error())
		var number int
		require.ErrorContains(t, response.Expect(409, &number), "returned an unexpected body")
	})

	t.Run("returns the error of the request", func(t *testing.T) {
		unreachable := smoketest.NewAPI(servicetest.URL(t, "http://127.0.0.1:1"))
		require.ErrorContains(t, unreachable.Do(t.Context(), smoketest.Request{Path: "/users"}).Expect(200, nil), "connection refused")
	})
}

func TestHealthy(t *testing.T) {
	t.Run("passes only for a healthy service of the name", func(t *testing.T) {
		for body, healthy := range map[string]bool{
			`{"service": "users-service", "status": "healthy"}`:  true,
			`{"service": "users-service", "status": "degraded"}`: false,
			`{"service": "orders-service", "status": "healthy"}`: false,
			`nginx`: false,
		} {
			require.Equal(t, healthy, newAPI(t, 200, body).Healthy("users-service")(t.Context()) == nil, body)
		}
		require.Error(t, newAPI(t, 503, `{"service": "users-service", "status": "healthy"}`).Healthy("users-service")(t.Context()))
	})
}

func TestHasMetrics(t *testing.T) {
	t.Run("passes only for metrics of the service", func(t *testing.T) {
		metrics := `build_info{service="users-service"} 1`
		require.NoError(t, newAPI(t, 200, metrics).HasMetrics("users-service")(t.Context()))
		require.Error(t, newAPI(t, 200, metrics).HasMetrics("orders-service")(t.Context()))
		require.Error(t, newAPI(t, 404, metrics).HasMetrics("users-service")(t.Context()))
	})
}
