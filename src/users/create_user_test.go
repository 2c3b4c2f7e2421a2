package users_test

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"tandem/src/testkit/servicetest"
)

func TestACreatedUserCanBeReadBack(t *testing.T) {
	onBoth(t, func(t *testing.T, api servicetest.API) {
		created := api.Post(t, "/users", `{"name": "Zoë Ω 名", "email": "Zoe@Example.com", "ignored": {"deep": []}}`).Require(t, 201)
		require.Equal(t, "/users/1", created.Header.Get("Location"))
		require.Equal(t, "true", created.At(t, "active"))
		require.Equal(t, `"Zoe@Example.com"`, created.At(t, "email"))
		require.JSONEq(t, created.Text, api.Get(t, "/users/1").Require(t, 200).Text)
	})
}

func TestEveryBadMemberIsNamedAndNothingIsStored(t *testing.T) {
	tests := map[string]struct {
		body string
		bad  []string
	}{
		"missing":            {`{}`, []string{"name", "email"}},
		"wrong types":        {`{"name": 1, "email": ["a@b.c"]}`, []string{"name", "email"}},
		"null":               {`{"name": null, "email": null}`, []string{"name", "email"}},
		"only spaces":        {`{"name": " \t ", "email": "a@example.com"}`, []string{"name"}},
		"U+0000":             {`{"name": "a\u0000b", "email": "a@example.com"}`, []string{"name"}},
		"too long":           {`{"name": "` + strings.Repeat("ä", 201) + `", "email": "a@example.com"}`, []string{"name"}},
		"no address":         {`{"name": "A", "email": "not an address"}`, []string{"email"}},
		"address with name":  {`{"name": "A", "email": "A <a@example.com>"}`, []string{"email"}},
		"address too long":   {`{"name": "A", "email": "` + strings.Repeat("a", 251) + `@b.c"}`, []string{"email"}},
		"one of each defect": {`{"name": "", "email": true}`, []string{"name", "email"}},
	}
	onBoth(t, func(t *testing.T, api servicetest.API) {
		for name, tt := range tests {
			answer := api.Post(t, "/users", tt.body).Require(t, 400)
			require.ElementsMatch(t, tt.bad, answer.Fields(), name)
		}
		require.Equal(t, "0", api.Get(t, "/users?active=all").At(t, "count"))
	})
}

func TestAnAddressIsUniqueWhateverItsCase(t *testing.T) {
	onBoth(t, func(t *testing.T, api servicetest.API) {
		api.Post(t, "/users", `{"name": "A", "email": "Ärger@Example.com"}`).Require(t, 201)
		taken := api.Post(t, "/users", `{"name": "B", "email": "ärger@EXAMPLE.com"}`).Require(t, 409)
		require.Contains(t, taken.At(t, "error"), "e-mail address")
		require.Equal(t, "1", api.Get(t, "/users").At(t, "count"))
	})
}

func TestSQLInTextIsText(t *testing.T) {
	onBoth(t, func(t *testing.T, api servicetest.API) {
		const name = `Robert'); DROP TABLE users;--`
		created := api.Post(t, "/users", `{"name": "`+name+`", "email": "o'hara+'--@example.com"}`).Require(t, 201)
		require.Equal(t, `"`+name+`"`, created.At(t, "name"))
		require.Equal(t, "1", api.Get(t, "/users").At(t, "count"))
	})
}
