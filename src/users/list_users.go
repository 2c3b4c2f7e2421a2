package users

import (
	"net/http"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promauto"

	"tandem/src/chassis/telemetry"
	"tandem/src/chassis/web"
	"tandem/src/users/client"
)

// listUsers returns the handler of GET /users. It registers a histogram of the IDs in
// the parameter ids: calls of orders are for one user each, GET /users/{id}, or for
// several.
func listUsers(store *Store, registry prometheus.Registerer) web.Handler {
	idsPerRequest := promauto.With(registry).NewHistogram(telemetry.CountOpts(
		"users_ids_per_request", "IDs in the parameter ids of a GET /users request that has it."))
	return func(w http.ResponseWriter, r *http.Request) error {
		filter, err := readFilter(r)
		if err != nil {
			return err
		}
		if filter.IDs != nil {
			idsPerRequest.Observe(float64(len(filter.IDs)))
		}
		limit := filter.Limit
		filter.Limit++ // reads one user more than the page may contain; if there is one, there is a next page
		users, err := store.List(r.Context(), filter)
		if err != nil {
			return err
		}
		return web.JSON(w, http.StatusOK, newPage(users, limit))
	}
}

// readFilter reads the query of a GET /users request. Without the parameter
// active it selects only active users, but with ids it selects all of those.
func readFilter(r *http.Request) (Filter, error) {
	query := web.ReadQuery(r.URL)
	filter := Filter{IDs: query.IDs("ids", client.MaxIDs), After: query.Cursor(), Limit: query.Limit()}
	active := query.OneOf("active", "true", "false", "all")
	if active == "" && filter.IDs == nil {
		active = "true"
	}
	if active == "true" || active == "false" {
		isActive := active == "true"
		filter.Active = &isActive
	}
	return filter, query.Err()
}

// newPage returns a page of the first limit users. If there are more users than
// limit, the page has a cursor for the next page.
func newPage(users []User, limit int) client.Page {
	users, next := web.Page(users, limit, func(u User) int64 { return u.ID })
	page := client.Page{Users: []client.User{}, Count: len(users), Service: client.ServiceName, NextCursor: next}
	for _, u := range users {
		page.Users = append(page.Users, toResponse(u))
	}
	return page
}

// toResponse converts a stored user to its form in a response body.
func toResponse(u User) client.User { return client.User(u) }
