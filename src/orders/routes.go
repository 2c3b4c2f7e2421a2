package orders

import (
	_ "embed"

	"tandem/src/chassis/web"
	"tandem/src/users/client"
)

//go:embed openapi.yaml
var openapi []byte

// Routes registers the routes of the service. lifecycle.New registers those
// that all services have.
func Routes(rt *web.Router, store *Store, users *client.Client) {
	rt.Handle("GET /orders", listOrders(store, users))
	rt.Handle("POST /orders", createOrder(store, users))
	rt.Handle("GET /orders/stats", orderStats(store))
	rt.Handle("GET /orders/{id}", getOrder(store))
	rt.Handle("PATCH /orders/{id}", updateOrder(store))
	rt.Handle("GET /orders/{id}/details", orderDetails(store, users))
	rt.Handle("GET /openapi.yaml", web.Document(openapi))
}
