package users

import (
	"fmt"
	"net/http"

	"tandem/src/chassis/web"
)

// createUser returns the handler of POST /users.
func createUser(store *Store) web.Handler {
	return func(w http.ResponseWriter, r *http.Request) error {
		body, err := web.ReadBody(w, r)
		if err != nil {
			return err
		}
		user := NewUser{Name: body.String("name"), Email: body.String("email")}
		if err := body.Err(user.Validate()); err != nil {
			return err
		}
		created, err := store.Create(r.Context(), user)
		if err != nil {
			return err
		}
		w.Header().Set("Location", fmt.Sprintf("/users/%d", created.ID))
		return web.JSON(w, http.StatusCreated, toResponse(created))
	}
}
