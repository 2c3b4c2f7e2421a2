package orders

import (
	"time"

	"tandem/src/chassis/decimal"
	"tandem/src/users/client"
)

// serviceName is the name of the service on the wire.
const serviceName = "orders-service"

// How asking users went, as answers tell it.
const (
	communicationSucceeded = "success"
	communicationFailed    = "failed"
)

// orderAnswer is the form in which an order is answered.
type orderAnswer struct {
	ID        int64         `json:"id"`
	UserID    int64         `json:"user_id"`
	Product   string        `json:"product"`
	Quantity  int64         `json:"quantity"`
	Price     decimal.Cents `json:"price"`
	Status    Status        `json:"status"`
	CreatedAt time.Time     `json:"created_at"`
}

func wire(o Order) orderAnswer { return orderAnswer(o) }

// placedAnswer is the answer to POST /orders.
type placedAnswer struct {
	Order         orderAnswer `json:"order"`
	UserInfo      userInfo    `json:"user_info"`
	Communication string      `json:"service_communication"`
}

type userInfo struct {
	Name  string `json:"name"`
	Email string `json:"email"`
}

// detailsAnswer is the answer to GET /orders/{id}/details.
type detailsAnswer struct {
	Order         orderAnswer  `json:"order"`
	UserDetails   *client.User `json:"user_details"`
	Communication string       `json:"communication_status"`
}

// pageAnswer is the answer to GET /orders; T is the form of an order in it.
type pageAnswer[T any] struct {
	Orders        []T     `json:"orders"`
	Count         int     `json:"count"`
	Service       string  `json:"service"`
	Filters       filters `json:"filters_applied"`
	Communication string  `json:"communication_status,omitempty"`
	NextCursor    string  `json:"next_cursor,omitempty"`
}

type filters struct {
	UserID *int64  `json:"user_id"`
	Status *Status `json:"status"`
}

// expandedOrder is an order with its user.
type expandedOrder struct {
	orderAnswer
	User *client.User `json:"user"`
}

// statsAnswer is the answer to GET /orders/stats.
type statsAnswer struct {
	Orders   int64            `json:"total_orders"`
	Revenue  decimal.Cents    `json:"total_revenue"`
	ByStatus map[Status]int64 `json:"orders_by_status"`
	Average  decimal.Cents    `json:"average_order_value"`
	Service  string           `json:"service"`
}
