package orders

import (
	"net/http"

	"tandem/src/chassis/web"
)

// getOrder answers GET /orders/{id}.
func getOrder(store *Store) web.Handler {
	return func(w http.ResponseWriter, r *http.Request) error {
		order, err := namedOrder(store, r)
		if err != nil {
			return err
		}
		return web.JSON(w, http.StatusOK, wire(order))
	}
}

// namedOrder is the order that the path names. The failure is NotFound.
func namedOrder(store *Store, r *http.Request) (Order, error) {
	id, err := web.PathID(r, noOrder)
	if err != nil {
		return Order{}, err
	}
	return store.Get(r.Context(), id)
}
