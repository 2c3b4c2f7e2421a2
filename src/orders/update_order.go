package orders

import (
	"net/http"

	"tandem/src/chassis/web"
)

// updateOrder returns the handler of PATCH /orders/{id}.
func updateOrder(store *Store) web.Handler {
	return func(w http.ResponseWriter, r *http.Request) error {
		id, err := web.PathID(r, orderNotFound)
		if err != nil {
			return err
		}
		body, err := web.ReadBody(w, r)
		if err != nil {
			return err
		}
		status := body.String("status")
		if err := body.Err(validateStatus(status)); err != nil {
			return err
		}
		order, err := store.SetStatus(r.Context(), id, Status(status))
		if err != nil {
			return err
		}
		return web.JSON(w, http.StatusOK, toResponse(order))
	}
}
