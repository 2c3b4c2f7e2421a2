package users

import (
	_ "embed"
	"net/http"

	"tandem/src/chassis/web"
)

//go:embed openapi.yaml
var openapi []byte

// Routes registers the routes of the users service. lifecycle.New registers the
// routes that all services have, such as GET /health.
func Routes(rt *web.Router, store *Store) {
	rt.Handle(http.MethodGet, "/users", listUsers(store))
	rt.Handle(http.MethodPost, "/users", createUser(store))
	rt.Handle(http.MethodGet, "/users/{id}", getUser(store))
	rt.Handle(http.MethodPatch, "/users/{id}", updateUser(store))
	rt.Handle(http.MethodGet, "/openapi.yaml", web.OpenAPI(openapi))
}
