package orders

import (
	_ "embed"
	"net/http"

	"tandem/src/chassis/web"
	"tandem/src/users/client"
)

//go:embed openapi.yaml
var openapi []byte

// Routes registers the routes of the orders service. lifecycle.New registers the
// routes that all services have, such as GET /health.
func Routes(rt *web.Router, store *Store, users *client.Client) {
	rt.Handle(http.MethodGet, "/orders", listOrders(store, users))
	rt.Handle(http.MethodPost, "/orders", createOrder(store, users))
	rt.Handle(http.MethodGet, "/orders/stats", orderStats(store))
	rt.Handle(http.MethodGet, "/orders/{id}", getOrder(store))
	rt.Handle(http.MethodPatch, "/orders/{id}", updateOrder(store))
	rt.Handle(http.MethodGet, "/orders/{id}/details", orderDetails(store, users))
	rt.Handle(http.MethodGet, "/openapi.yaml", web.OpenAPI(openapi))
}
