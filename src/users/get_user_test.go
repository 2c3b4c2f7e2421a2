package users_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"tandem/src/chassis/settings"
	"tandem/src/testkit/servicetest"
)

func TestAnUnknownUserIsNamed(t *testing.T) {
	tests := map[string]string{
		"/users/99": "99", "/users/0": "0", "/users/-1": "-1",
		"/users/9223372036854775808": `"9223372036854775808"`, "/users/abc": `"abc"`, "/users/1%27": `"1'"`,
	}
	onBoth(t, func(t *testing.T, api servicetest.API) {
		for path, want := range tests {
			require.Equal(t, want, api.Get(t, path).Require(t, 404).At(t, "user_id"), path)
		}
	})
}

func TestTheDemosUsersAreSeededOnce(t *testing.T) {
	servicetest.OnBothStores(t, func(t *testing.T, config settings.Service) {
		config.SeedDemoData = true
		first := servicetest.StartReady(t, run(config))
		require.NoError(t, first.Stop())
		service := servicetest.StartReady(t, run(config))
		api := servicetest.API{URL: service.URL, Transport: contract(t).Transport(nil)}
		list := api.Get(t, "/users").Require(t, 200)
		require.Equal(t, "3", list.At(t, "count"))
		require.Equal(t, `"maria@email.com"`, list.At(t, "users", 1, "email"))
		require.Equal(t, `"2025-01-15T00:00:00Z"`, list.At(t, "users", 2, "created_at"))
		require.Equal(t, "/users/4", api.Post(t, "/users", ada).Require(t, 201).Header.Get("Location"))
	})
}
