package users_test

import (
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"tandem/src/chassis/database"
	"tandem/src/chassis/web"
	"tandem/src/testkit/servicetest"
	"tandem/src/testkit/telemetrytest"
	"tandem/src/users"
)

// FuzzRoutes sends random requests to all routes of the service, which use a real
// store. No response may have a status of 500 or more.
func FuzzRoutes(f *testing.F) {
	signals, _ := telemetrytest.New(f)
	db, err := database.Open(f.Context(), database.Config{
		Name: "users", DataDir: servicetest.SQLite(f).DataDir, Migrations: users.Migrations(),
	}, signals)
	require.NoError(f, err)
	f.Cleanup(func() { require.NoError(f, db.Close()) })
	router := web.NewRouter(signals, 10)
	users.Routes(router, users.NewStore(db), nil)
	router.Open()

	f.Add("GET", "/users", "active=all&ids=1,2&limit=3&cursor=YWZ0ZXI6Mg", "")
	f.Add("POST", "/users", "", `{"name": "Ada", "email": "ada@example.com"}`)
	f.Add("POST", "/users", "", `{"name": "\u0000", "email": "\"a b\"@[::1]", "name": 1}`)
	f.Add("PATCH", "/users/1", "", `{"active": null, "name": {}}`)
	f.Add("GET", "/users/-9223372036854775809", "", "")
	f.Fuzz(func(t *testing.T, method, path, query, body string) {
		r := httptest.NewRequest("GET", "/", strings.NewReader(body))
		r.Method, r.URL.Path, r.URL.RawQuery = method, path, query
		r.Header.Set("Content-Type", "application/json")
		w := httptest.NewRecorder()
		router.ServeHTTP(w, r)
		require.Less(t, w.Code, 500, "%s", w.Body)
	})
}
