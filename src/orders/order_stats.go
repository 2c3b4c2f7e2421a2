package orders

import (
	"net/http"

	"tandem/src/chassis/web"
)

// orderStats returns the handler of GET /orders/stats.
func orderStats(store *Store) web.Handler {
	return func(w http.ResponseWriter, r *http.Request) error {
		stats, err := store.Stats(r.Context())
		if err != nil {
			return err
		}
		return web.JSON(w, http.StatusOK, orderStatsResponse{
			Orders: stats.Orders, Revenue: stats.Revenue, ByStatus: stats.ByStatus, Average: stats.Average, Service: serviceName,
		})
	}
}
