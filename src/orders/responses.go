package orders

import (
	"errors"
	"time"

	"github.com/go-json-experiment/json/jsontext"

	"tandem/src/chassis/decimal"
	"tandem/src/users/client"
)

// serviceName is the service's name in responses, health reports, metrics and traces.
const serviceName = "orders-service"

// Values of service_communication and communication_status in responses: the
// result of the call to the users service.
const (
	communicationSucceeded = "success"
	communicationFailed    = "failed"
)

// orderResponse is an order in a response body.
type orderResponse struct {
	ID        int64         `json:"id"`
	UserID    int64         `json:"user_id"`
	Product   string        `json:"product"`
	Quantity  int64         `json:"quantity"`
	Price     decimal.Cents `json:"price"`
	Status    Status        `json:"status"`
	CreatedAt time.Time     `json:"created_at"`
}

// toResponse converts a stored order to its form in a response body.
func toResponse(o Order) orderResponse { return orderResponse(o) }

// createOrderResponse is the body of a 201 response to POST /orders.
type createOrderResponse struct {
	Order         orderResponse `json:"order"`
	UserInfo      userInfo      `json:"user_info"`
	Communication string        `json:"service_communication"`
}

// userInfo is the user in a createOrderResponse.
type userInfo struct {
	Name  string `json:"name"`
	Email string `json:"email"`
}

// orderDetailsResponse is the body of a response to GET /orders/{id}/details.
type orderDetailsResponse struct {
	Order         orderResponse `json:"order"`
	UserDetails   *client.User  `json:"user_details"` // nil if the user could not be read
	Communication string        `json:"communication_status"`
}

// listOrdersResponse is the body of a response to GET /orders. T is
// orderResponse, or expandedOrder for expand=user.
type listOrdersResponse[T any] struct {
	Orders        []T            `json:"orders"`
	Count         int            `json:"count"`
	Service       string         `json:"service"`
	Filters       appliedFilters `json:"filters_applied"`
	Communication string         `json:"communication_status,omitempty"`
	NextCursor    string         `json:"next_cursor,omitempty"`
}

// appliedFilters holds the filters of a GET /orders request. A filter that the
// request does not have is nil.
type appliedFilters struct {
	UserID *int64  `json:"user_id"`
	Status *Status `json:"status"`
}

// expandedOrder is an order with its user.
type expandedOrder struct {
	orderResponse
	User *client.User `json:"user"` // nil if the user could not be read
}

// orderStatsResponse is the body of a response to GET /orders/stats.
type orderStatsResponse struct {
	Orders   int64          `json:"total_orders"`
	Revenue  decimal.Cents  `json:"total_revenue"`
	ByStatus countsByStatus `json:"orders_by_status"`
	Average  decimal.Cents  `json:"average_order_value"`
	Service  string         `json:"service"`
}

// countsByStatus are numbers of orders. In JSON, the statuses have their order,
// which a map has not.
type countsByStatus map[Status]int64

// MarshalJSONTo encodes the counts as one object.
func (c countsByStatus) MarshalJSONTo(enc *jsontext.Encoder) error {
	err := enc.WriteToken(jsontext.BeginObject)
	for _, status := range Statuses() {
		if count, ok := c[Status(status)]; ok {
			err = errors.Join(err, enc.WriteToken(jsontext.String(status)), enc.WriteToken(jsontext.Int(count)))
		}
	}
	return errors.Join(err, enc.WriteToken(jsontext.EndObject))
}
