package users_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"tandem/src/chassis/settings"
	"tandem/src/testkit/postgrestest"
	"tandem/src/testkit/servicetest"
)

func TestUnansweredCommit(t *testing.T) {
	for _, mode := range servicetest.QueryModes() {
		t.Run(mode, func(t *testing.T) {
			t.Parallel()
			proxy := postgrestest.NewProxy(t, postgrestest.URL(t)+"?default_query_exec_mode="+mode)
			config := servicetest.SQLite(t)
			config.DatabaseURL = settings.ConnString(proxy.URL)
			service := servicetest.StartReady(t, runUsers(config))
			api := servicetest.API{URL: service.URL, Transport: loadContract(t).Transport(nil)}
			requireUncertain := func(response servicetest.Response) {
				t.Helper()
				response.Require(t, 503)
				require.Empty(t, response.Header.Get("Retry-After"))
				require.Contains(t, response.At(t, "error"), "may have been stored")
			}

			loss := proxy.Lose(false, postgrestest.Writes)
			requireUncertain(api.Post(t, "/users", adaJSON()))
			<-loss.Happened()
			require.Equal(t, "1", api.Get(t, "/users").At(t, "count"), "it is stored")
			api.Post(t, "/users", adaJSON()).Require(t, 409)

			loss = proxy.Lose(false, postgrestest.Writes)
			requireUncertain(api.Patch(t, "/users/1", `{"name": "Ada"}`))
			<-loss.Happened()
			require.Equal(t, `"Ada"`, api.Get(t, "/users/1").At(t, "name"))
		})
	}
}
