package orders_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"tandem/src/chassis/settings"
	"tandem/src/testkit/servicetest"
)

// TestSeed starts the service twice and expects the demo orders once.
func TestSeed(t *testing.T) {
	servicetest.OnBothDatabases(t, func(t *testing.T, config settings.Service) {
		config.SeedDemoData = true
		s := startServices(t, config, servicetest.SQLite(t))
		require.NoError(t, s.orders.Stop())
		s.URL = servicetest.StartReady(t, runOrders(t, config, s.users.URL)).URL
		stats := s.Get(t, "/orders/stats").Require(t, 200)
		require.Equal(t, "1400.00", stats.At(t, "total_revenue"))
		require.Equal(t, "466.67", stats.At(t, "average_order_value"))
		require.Equal(t, "3", stats.At(t, "total_orders"))
		require.Equal(t, `{"completed":1,"pending":1,"shipped":1}`, stats.At(t, "orders_by_status"))
		require.Equal(t, `"2025-01-16T14:20:00Z"`, s.Get(t, "/orders/2").At(t, "created_at"))
		require.Equal(t, "/orders/4", s.Post(t, "/orders", laptopJSON()).Require(t, 201).Header.Get("Location"))
	})
}
