package users

import (
	_ "embed"
	"net/http"

	"tandem/src/chassis/web"
)

//go:embed openapi.yaml
var openapi []byte

// Routes registers the routes of the service. lifecycle.New registers those
// that all services have.
func Routes(rt *web.Router, store *Store) {
	rt.Handle(http.MethodGet, "/users", listUsers(store))
	rt.Handle(http.MethodPost, "/users", createUser(store))
	rt.Handle(http.MethodGet, "/users/{id}", getUser(store))
	rt.Handle(http.MethodPatch, "/users/{id}", updateUser(store))
	rt.Handle(http.MethodGet, "/openapi.yaml", web.OpenAPI(openapi))
}
