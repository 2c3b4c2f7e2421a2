package cmd_test

import (
	"net/http"
	"testing"

	"github.com/prometheus/client_golang/prometheus/testutil/promlint"
	"github.com/stretchr/testify/require"
)

// TestEveryMetricIsNamedAsPrometheusWantsIt is what `promtool check metrics`
// does, on all that a service exposes once each of its parts has worked.
func TestEveryMetricIsNamedAsPrometheusWantsIt(t *testing.T) {
	users := ready(t, "users", "SEED_DEMO_DATA=true", "OTEL_EXPORTER_OTLP_ENDPOINT=http://127.0.0.1:1", "OTEL_BSP_SCHEDULE_DELAY=10")
	orders := ready(t, "orders", "SEED_DEMO_DATA=true", "USERS_URL="+users.url, "OTEL_EXPORTER_OTLP_ENDPOINT=http://127.0.0.1:1")
	details, err := http.Get(orders.url + "/orders/1/details")
	require.NoError(t, err)
	require.NoError(t, details.Body.Close())
	for _, p := range []*process{users, orders} {
		metrics, err := http.Get(p.url + "/metrics")
		require.NoError(t, err)
		problems, err := promlint.New(metrics.Body).Lint()
		require.NoError(t, err)
		require.NoError(t, metrics.Body.Close())
		require.Empty(t, problems)
	}
}
