package users_test

import (
	"bytes"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"tandem/src/chassis/settings"
	"tandem/src/chassis/smoketest"
	"tandem/src/testkit/servicetest"
	"tandem/src/users"
)

// patient gives the service time to report that it is healthy. On a busy machine
// a check of the database fails now and then.
var patient = smoketest.Options{RetryTimeout: 30 * time.Second}

// runSmokeTest runs the smoke test.
func runSmokeTest(t *testing.T, options smoketest.Options, url string) (printed string, err error) {
	t.Helper()
	var out bytes.Buffer
	err = users.RunSmokeTest(t.Context(), users.SmokeTestConfig{Options: options, URL: servicetest.URL(t, url)}, &out)
	return out.String(), err
}

// interceptor may change a request or respond to it. It reports whether it has
// responded.
type interceptor = func(http.ResponseWriter, *http.Request) bool

// respondTo returns an interceptor that responds with a status and a body to
// requests with the method and a path that begins with pathPrefix.
func respondTo(method, pathPrefix string, status int, body string) interceptor {
	return func(w http.ResponseWriter, r *http.Request) bool {
		if r.Method != method || !strings.HasPrefix(r.URL.Path, pathPrefix) {
			return false
		}
		w.WriteHeader(status)
		_, _ = io.WriteString(w, body)
		return true
	}
}

// changeDuplicate changes the e-mail address of the second user, which the smoke
// test sends in upper case, so that it differs from the address of the first.
func changeDuplicate(_ http.ResponseWriter, r *http.Request) bool {
	if body, _ := io.ReadAll(r.Body); len(body) > 0 {
		r.Body = io.NopCloser(bytes.NewReader(bytes.ReplaceAll(body, []byte("RELEASE-TEST"), []byte("OTHER-RELEASE"))))
		r.ContentLength = -1
	}
	return false
}

func TestSmokeTest(t *testing.T) {
	t.Run("passes and cleans up", func(t *testing.T) {
		servicetest.OnBothDatabases(t, func(t *testing.T, config settings.Service) {
			url := servicetest.StartReady(t, runUsers(config)).URL
			for range 2 {
				printed, err := runSmokeTest(t, patient, url)
				require.NoError(t, err, printed)
				require.NotContains(t, printed, "FAIL")
			}
			api := servicetest.API{URL: url}
			require.Equal(t, "0", api.Get(t, "/users").At(t, "count"))
			require.Equal(t, "2", api.Get(t, "/users?active=false").At(t, "count"))
		})
	})

	t.Run("names the failed checks and cleans up", func(t *testing.T) {
		const user = `{"id": 1, "name": "Somebody", "email": "else@example.com", "active": true, "created_at": "2025-01-10T00:00:00Z"}`
		tests := map[string]struct {
			failed    string
			intercept interceptor
		}{
			"unavailable":             {"the users service is healthy", respondTo("GET", "/health", 503, "")},
			"degraded":                {"the users service is healthy", respondTo("GET", "/health", 200, `{"service": "users-service", "status": "degraded"}`)},
			"creating users fails":    {"a user is created", respondTo("POST", "/users", 500, "")},
			"reading users fails":     {"the created user can be read; an unknown user is not found", respondTo("GET", "/users/", 500, "")},
			"another user is read":    {"the created user can be read; an unknown user is not found", respondTo("GET", "/users/", 200, user)},
			"duplicates are accepted": {"a second user with the same e-mail address is rejected", changeDuplicate},
			"no metrics":              {"metrics are served", respondTo("GET", "/metrics", 404, "")},
		}
		for name, test := range tests {
			t.Run(name, func(t *testing.T) {
				url := servicetest.StartReady(t, runUsers(servicetest.SQLite(t))).URL
				options := patient
				if strings.Contains(test.failed, "healthy") {
					options.RetryTimeout = 0
				}
				printed, err := runSmokeTest(t, options, servicetest.WithFaultyResponses(t, url, test.intercept))
				require.EqualError(t, err, "the release does not work: "+test.failed, printed)
				require.Equal(t, "0", servicetest.API{URL: url}.Get(t, "/users").At(t, "count"), printed)
			})
		}
	})

	t.Run("fails if it cannot clean up", func(t *testing.T) {
		url := servicetest.StartReady(t, runUsers(servicetest.SQLite(t))).URL
		_, err := runSmokeTest(t, patient, servicetest.WithFaultyResponses(t, url, respondTo("PATCH", "/users/", 500, "")))
		require.EqualError(t, err, "the release does not work: clean up user 1")
		_, err = runSmokeTest(t, patient, servicetest.WithFaultyResponses(t, url, respondTo("PATCH", "/users/", 200, `{"active": true}`)))
		require.EqualError(t, err, "the release does not work: clean up user 2")
	})
}
