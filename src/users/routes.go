package users

import (
	_ "embed"
	"net/http"

	"github.com/prometheus/client_golang/prometheus"

	"tandem/src/chassis/web"
)

//go:embed openapi.yaml
var openapi []byte

// Routes registers the routes of the users service. lifecycle.New registers the
// routes that all services have, such as GET /health. The registry receives the
// metrics of the handlers; nil means none.
func Routes(rt *web.Router, store *Store, registry prometheus.Registerer) {
	rt.Handle(http.MethodGet, "/users", listUsers(store, registry))
	rt.Handle(http.MethodPost, "/users", createUser(store))
	rt.Handle(http.MethodGet, "/users/{id}", getUser(store))
	rt.Handle(http.MethodPatch, "/users/{id}", updateUser(store))
	rt.Handle(http.MethodGet, "/openapi.yaml", web.OpenAPI(openapi))
}
