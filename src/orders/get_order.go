package orders

import (
	"net/http"

	"tandem/src/chassis/web"
)

// getOrder returns the handler of GET /orders/{id}.
func getOrder(store *Store) web.Handler {
	return func(w http.ResponseWriter, r *http.Request) error {
		order, err := orderByPathID(store, r)
		if err != nil {
			return err
		}
		return web.JSON(w, http.StatusOK, toResponse(order))
	}
}

// orderByPathID returns the order whose ID is in the request's path, or
// failure.NotFound if there is no such order.
func orderByPathID(store *Store, r *http.Request) (Order, error) {
	id, err := web.PathID(r, orderNotFound)
	if err != nil {
		return Order{}, err
	}
	return store.Get(r.Context(), id)
}
