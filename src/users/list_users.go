package users

import (
	"net/http"

	"tandem/src/chassis/web"
	"tandem/src/users/client"
)

// maxIDs is how many users can be asked for by id at once.
const maxIDs = 100

// listUsers answers GET /users.
func listUsers(store *Store) web.Handler {
	return func(w http.ResponseWriter, r *http.Request) error {
		filter, err := readFilter(r)
		if err != nil {
			return err
		}
		// One more than asked for tells whether there is a next page.
		filter.Limit++
		found, err := store.List(r.Context(), filter)
		if err != nil {
			return err
		}
		return web.JSON(w, http.StatusOK, page(found, filter.Limit-1))
	}
}

func readFilter(r *http.Request) (Filter, error) {
	query := web.ReadQuery(r.URL)
	filter := Filter{IDs: query.IDs("ids", maxIDs), After: query.Cursor(), Limit: query.Limit()}
	active := query.OneOf("active", "true", "false", "all")
	if active == "" && filter.IDs == nil {
		active = "true"
	}
	if active == "true" || active == "false" {
		is := active == "true"
		filter.Active = &is
	}
	return filter, query.Err()
}

func page(found []User, limit int) client.Page {
	found, next := web.Page(found, limit, func(u User) int64 { return u.ID })
	p := client.Page{Users: []client.User{}, Count: len(found), Service: client.Service, NextCursor: next}
	for _, u := range found {
		p.Users = append(p.Users, wire(u))
	}
	return p
}

// wire is the form in which a user is answered.
func wire(u User) client.User { return client.User(u) }
