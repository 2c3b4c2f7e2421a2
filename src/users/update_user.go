package users

import (
	"net/http"

	"tandem/src/chassis/failure"
	"tandem/src/chassis/web"
)

// updateUser returns the handler of PATCH /users/{id}.
func updateUser(store *Store) web.Handler {
	return func(w http.ResponseWriter, r *http.Request) error {
		id, err := web.PathID(r, userNotFound)
		if err != nil {
			return err
		}
		changes, err := readChanges(w, r)
		if err != nil {
			return err
		}
		user, err := store.Update(r.Context(), id, changes)
		if err != nil {
			return err
		}
		return web.JSON(w, http.StatusOK, toResponse(user))
	}
}

// readChanges reads and validates a PATCH /users/{id} request.
func readChanges(w http.ResponseWriter, r *http.Request) (Changes, error) {
	body, err := web.ReadBody(w, r)
	if err != nil {
		return Changes{}, err
	}
	changes := Changes{Name: body.OptionalString("name"), Email: body.OptionalString("email"), Active: body.OptionalBool("active")}
	if err := body.Err(changes.Validate()); err != nil {
		return Changes{}, err
	}
	if changes == (Changes{}) {
		return Changes{}, failure.New(failure.Invalid, "Give at least one of name, email and active.")
	}
	return changes, nil
}
