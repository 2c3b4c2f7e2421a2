package users

import (
	_ "embed"

	"tandem/src/chassis/web"
)

//go:embed openapi.yaml
var openapi []byte

// Routes registers the routes of the service. lifecycle.New registers those
// that all services have.
func Routes(rt *web.Router, store *Store) {
	rt.Handle("GET /users", listUsers(store))
	rt.Handle("POST /users", createUser(store))
	rt.Handle("GET /users/{id}", getUser(store))
	rt.Handle("PATCH /users/{id}", updateUser(store))
	rt.Handle("GET /openapi.yaml", web.Document(openapi))
}
