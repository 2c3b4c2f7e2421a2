package users_test

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"tandem/src/testkit/servicetest"
)

func TestCreateUser(t *testing.T) {
	testService(t, "returns the stored user", func(t *testing.T, api servicetest.API) {
		created := api.Post(t, "/users", `{"name": "Zoë Ω 名", "email": "Zoe@Example.com", "ignored": {"deep": []}}`).Require(t, 201)
		require.Equal(t, "/users/1", created.Header.Get("Location"))
		require.Equal(t, "true", created.At(t, "active"))
		require.Equal(t, `"Zoe@Example.com"`, created.At(t, "email"))
		require.JSONEq(t, created.Text, api.Get(t, "/users/1").Require(t, 200).Text)
	})

	testService(t, "names all invalid members and stores nothing", func(t *testing.T, api servicetest.API) {
		tests := map[string]struct {
			body string
			want []string
		}{
			"missing":           {`{}`, []string{"name", "email"}},
			"wrong types":       {`{"name": 1, "email": ["a@b.c"]}`, []string{"name", "email"}},
			"null":              {`{"name": null, "email": null}`, []string{"name", "email"}},
			"only spaces":       {`{"name": " \t ", "email": "a@example.com"}`, []string{"name"}},
			"white space":       {`{"name": "\ufeff\u0085\u00a0\u1680\u2028\u3000", "email": "a@example.com"}`, []string{"name"}},
			"U+0000":            {`{"name": "a\u0000b", "email": "a@example.com"}`, []string{"name"}},
			"too long":          {`{"name": "` + strings.Repeat("ä", 201) + `", "email": "a@example.com"}`, []string{"name"}},
			"not an address":    {`{"name": "A", "email": "not an address"}`, []string{"email"}},
			"with display name": {`{"name": "A", "email": "A <a@example.com>"}`, []string{"email"}},
			"address too long":  {`{"name": "A", "email": "` + strings.Repeat("a", 251) + `@b.c"}`, []string{"email"}},
			"empty and boolean": {`{"name": "", "email": true}`, []string{"name", "email"}},
		}
		for name, test := range tests {
			response := api.Post(t, "/users", test.body).Require(t, 400)
			require.ElementsMatch(t, test.want, response.Fields(), name)
		}
		require.Equal(t, "0", api.Get(t, "/users?active=all").At(t, "count"))
	})

	testService(t, "rejects a duplicate e-mail address in any case", func(t *testing.T, api servicetest.API) {
		api.Post(t, "/users", userJSON("A", "Ärger@Example.com")).Require(t, 201)
		duplicate := api.Post(t, "/users", userJSON("B", "ärger@EXAMPLE.com")).Require(t, 409)
		require.Contains(t, duplicate.At(t, "error"), "e-mail address")
		require.Equal(t, "1", api.Get(t, "/users").At(t, "count"))
	})

	testService(t, "stores SQL in a value as text", func(t *testing.T, api servicetest.API) {
		const name = `Robert'); DROP TABLE users;--`
		created := api.Post(t, "/users", userJSON(name, "o'hara+'--@example.com")).Require(t, 201)
		require.Equal(t, `"`+name+`"`, created.At(t, "name"))
		require.Equal(t, "1", api.Get(t, "/users").At(t, "count"))
	})
}
