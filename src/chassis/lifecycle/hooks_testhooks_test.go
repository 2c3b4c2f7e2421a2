//go:build testhooks

package lifecycle_test

import (
	"net/http"
	"strconv"
	"testing"

	"github.com/stretchr/testify/require"

	"tandem/src/chassis/settings"
	"tandem/src/testkit/postgrestest"
)

func TestFaultPort(t *testing.T) {
	t.Run("faults affect requests but not probes and scrapes", func(t *testing.T) {
		port, err := postgrestest.FreePort()
		require.NoError(t, err)
		number, err := strconv.Atoi(port)
		require.NoError(t, err)
		r := run(t, config(func(c *settings.Service) { c.FaultPort = number }), healthy)
		require.Equal(t, http.StatusOK, r.get(t, "/version").status)

		faults := "http://127.0.0.1:" + port + "/fault"
		put, err := http.NewRequest(http.MethodPut, faults+"?status=503", http.NoBody)
		require.NoError(t, err)
		response, err := r.client.Do(put)
		require.NoError(t, err)
		require.NoError(t, response.Body.Close())
		require.Equal(t, http.StatusServiceUnavailable, r.get(t, "/version").status)
		for _, exempt := range []string{"/health", "/metrics"} {
			require.Equal(t, http.StatusOK, r.get(t, exempt).status, exempt)
		}
	})
}
