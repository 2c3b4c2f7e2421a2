package cmd_test

import (
	"net/http"
	"testing"

	"github.com/prometheus/client_golang/prometheus/testutil/promlint"
	"github.com/stretchr/testify/require"
)

// TestMetrics checks the names and help texts of all metrics of both services, as
// `promtool check metrics` does.
func TestMetrics(t *testing.T) {
	users := startReady(t, "users", "SEED_DEMO_DATA=true", "OTEL_EXPORTER_OTLP_ENDPOINT=http://127.0.0.1:1", "OTEL_BSP_SCHEDULE_DELAY=10")
	orders := startReady(t, "orders", "SEED_DEMO_DATA=true", "USERS_URL="+users.url, "OTEL_EXPORTER_OTLP_ENDPOINT=http://127.0.0.1:1")
	// Some metrics of the client for users exist only after its first call.
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
