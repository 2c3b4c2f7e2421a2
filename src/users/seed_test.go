package users_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"tandem/src/chassis/settings"
	"tandem/src/testkit/servicetest"
)

// TestSeed starts the service twice and expects the demo users once.
func TestSeed(t *testing.T) {
	servicetest.OnBothDatabases(t, func(t *testing.T, config settings.Service) {
		config.SeedDemoData = true
		first := servicetest.StartReady(t, runUsers(config))
		require.NoError(t, first.Stop())
		service := servicetest.StartReady(t, runUsers(config))
		api := servicetest.API{URL: service.URL, Transport: loadContract(t).Transport(nil)}
		list := api.Get(t, "/users").Require(t, 200)
		require.Equal(t, "3", list.At(t, "count"))
		require.Equal(t, `"maria@email.com"`, list.At(t, "users", 1, "email"))
		require.Equal(t, `"2025-01-15T00:00:00Z"`, list.At(t, "users", 2, "created_at"))
		require.Equal(t, "/users/4", api.Post(t, "/users", adaJSON()).Require(t, 201).Header.Get("Location"))
	})
}
