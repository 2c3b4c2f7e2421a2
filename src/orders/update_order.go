package orders

import (
	"net/http"

	"tandem/src/chassis/web"
)

// updateOrder answers PATCH /orders/{id}.
func updateOrder(store *Store) web.Handler {
	return func(w http.ResponseWriter, r *http.Request) error {
		id, err := web.PathID(r, noOrder)
		if err != nil {
			return err
		}
		body, err := web.ReadBody(w, r)
		if err != nil {
			return err
		}
		status := body.String("status")
		if err := body.Err(checkStatus(status)); err != nil {
			return err
		}
		changed, err := store.SetStatus(r.Context(), id, Status(status))
		if err != nil {
			return err
		}
		return web.JSON(w, http.StatusOK, wire(changed))
	}
}
