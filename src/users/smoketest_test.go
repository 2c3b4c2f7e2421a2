package users_test

import (
	"bytes"
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"tandem/src/chassis/settings"
	"tandem/src/testkit/servicetest"
	"tandem/src/users"
)

// checkRelease runs the release's test without patience.
func checkRelease(t *testing.T, url string) (printed string, err error) {
	t.Helper()
	var out bytes.Buffer
	err = users.RunSmokeTest(t.Context(), users.SmokeTestConfig{URL: servicetest.URL(t, url)}, &out)
	return out.String(), err
}

func TestAReleaseThatWorksPassesAndKeepsNoActiveUser(t *testing.T) {
	servicetest.OnBothStores(t, func(t *testing.T, config settings.Service) {
		url := servicetest.StartReady(t, run(config)).URL
		for range 2 {
			printed, err := checkRelease(t, url)
			require.NoError(t, err, printed)
			require.NotContains(t, printed, "FAIL")
		}
		api := servicetest.API{URL: url}
		require.Equal(t, "0", api.Get(t, "/users").At(t, "count"))
		require.Equal(t, "2", api.Get(t, "/users?active=false").At(t, "count"))
	})
}

// answer is a spoiled answer to calls of a method and path.
func answer(method, pathPrefix string, status int, body string) func(http.ResponseWriter, *http.Request) bool {
	return func(w http.ResponseWriter, r *http.Request) bool {
		if r.Method != method || !strings.HasPrefix(r.URL.Path, pathPrefix) {
			return false
		}
		w.WriteHeader(status)
		_, _ = io.WriteString(w, body)
		return true
	}
}

// differing lets a second user have the first one's address.
func differing(_ http.ResponseWriter, r *http.Request) bool {
	if body, _ := io.ReadAll(r.Body); len(body) > 0 {
		r.Body = io.NopCloser(bytes.NewReader(bytes.ReplaceAll(body, []byte("RELEASE-TEST"), []byte("OTHER-RELEASE"))))
		r.ContentLength = -1
	}
	return false
}

func TestABrokenReleaseFailsByTheNameOfTheCheckAndKeepsNoActiveUser(t *testing.T) {
	const user = `{"id": 1, "name": "Somebody", "email": "else@example.com", "active": true, "created_at": "2025-01-10T00:00:00Z"}`
	tests := map[string]struct {
		failed string
		spoil  func(http.ResponseWriter, *http.Request) bool
	}{
		"health away":            {"users is healthy", answer("GET", "/health", 503, "")},
		"store broken":           {"users is healthy", answer("GET", "/health", 200, `{"service": "users-service", "status": "degraded"}`)},
		"no user can be created": {"a user is created", answer("POST", "/users", 500, "")},
		"reads are away":         {"the user is read back; an unknown user is not found", answer("GET", "/users/", 500, "")},
		"another user is read":   {"the user is read back; an unknown user is not found", answer("GET", "/users/", 200, user)},
		"duplicates are taken":   {"the same e-mail address is refused", differing},
		"metrics away":           {"metrics are answered", answer("GET", "/metrics", 404, "")},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			url := servicetest.StartReady(t, run(servicetest.SQLite(t))).URL
			printed, err := checkRelease(t, servicetest.WithFaultyResponses(t, url, test.spoil))
			require.EqualError(t, err, "the release does not work: "+test.failed, printed)
			require.Equal(t, "0", servicetest.API{URL: url}.Get(t, "/users").At(t, "count"), printed)
		})
	}
}

func TestAUserThatCannotBePutAwayFailsTheRelease(t *testing.T) {
	url := servicetest.StartReady(t, run(servicetest.SQLite(t))).URL
	_, err := checkRelease(t, servicetest.WithFaultyResponses(t, url, answer("PATCH", "/users/", 500, "")))
	require.EqualError(t, err, "the release does not work: put away user 1")
	_, err = checkRelease(t, servicetest.WithFaultyResponses(t, url, answer("PATCH", "/users/", 200, `{"active": true}`)))
	require.EqualError(t, err, "the release does not work: put away user 2")
}
