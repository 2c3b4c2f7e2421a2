package users_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"tandem/src/testkit/servicetest"
)

func TestUpdateUser(t *testing.T) {
	testService(t, "changes only the given members", func(t *testing.T, api servicetest.API) {
		created := api.Post(t, "/users", adaJSON()).Require(t, 201)
		changed := api.Patch(t, "/users/1", `{"name": "Ada King"}`).Require(t, 200)
		require.Equal(t, `"Ada King"`, changed.At(t, "name"))
		require.Equal(t, created.At(t, "created_at"), changed.At(t, "created_at"))
		changed = api.Patch(t, "/users/1", `{"active": false, "email": "ADA@example.com"}`).Require(t, 200)
		require.Equal(t, "false", changed.At(t, "active"))
		require.JSONEq(t, changed.Text, api.Get(t, "/users/1").Text)
	})

	testService(t, "changes nothing if the response is an error", func(t *testing.T, api servicetest.API) {
		before := api.Post(t, "/users", adaJSON()).Require(t, 201)
		api.Post(t, "/users", userJSON("B", "b@example.com")).Require(t, 201)
		api.Patch(t, "/users/1", `{"name": "X", "email": "B@example.com"}`).Require(t, 409)
		api.Patch(t, "/users/1", `{"name": "X", "active": "no"}`).Require(t, 400)
		api.Patch(t, "/users/1", `{}`).Require(t, 400)
		api.Patch(t, "/users/1", `{"unknown": 1}`).Require(t, 400)
		api.Patch(t, "/users/9", `{"name": "X"}`).Require(t, 404)
		api.Patch(t, "/users/x", `{"name": "X"}`).Require(t, 404)
		require.JSONEq(t, before.Text, api.Get(t, "/users/1").Text)
	})
}
