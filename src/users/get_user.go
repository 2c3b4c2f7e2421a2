package users

import (
	"net/http"

	"tandem/src/chassis/web"
)

// getUser returns the handler of GET /users/{id}.
func getUser(store *Store) web.Handler {
	return func(w http.ResponseWriter, r *http.Request) error {
		id, err := web.PathID(r, userNotFound)
		if err != nil {
			return err
		}
		user, err := store.Get(r.Context(), id)
		if err != nil {
			return err
		}
		return web.JSON(w, http.StatusOK, toResponse(user))
	}
}
