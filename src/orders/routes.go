package orders

import (
	_ "embed"
	"net/http"

	"tandem/src/chassis/web"
	"tandem/src/users/client"
)

//go:embed openapi.yaml
var openapi []byte

// Routes registers the routes of the service. lifecycle.New registers those
// that all services have.
func Routes(rt *web.Router, store *Store, users *client.Client) {
	rt.Handle(http.MethodGet, "/orders", listOrders(store, users))
	rt.Handle(http.MethodPost, "/orders", createOrder(store, users))
	rt.Handle(http.MethodGet, "/orders/stats", orderStats(store))
	rt.Handle(http.MethodGet, "/orders/{id}", getOrder(store))
	rt.Handle(http.MethodPatch, "/orders/{id}", updateOrder(store))
	rt.Handle(http.MethodGet, "/orders/{id}/details", orderDetails(store, users))
	rt.Handle(http.MethodGet, "/openapi.yaml", web.OpenAPI(openapi))
}
