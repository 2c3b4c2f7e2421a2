// Package orders is the orders service. It stores orders and reads the user of
// an order from the users service.
package orders

import (
	"fmt"
	"slices"
	"time"

	"tandem/src/chassis/decimal"
	"tandem/src/chassis/failure"
)

// Order is a stored order.
type Order struct {
	ID        int64
	UserID    int64
	Product   string
	Quantity  int64
	Price     decimal.Cents // per piece
	Status    Status
	CreatedAt time.Time // UTC, in whole microseconds
}

// NewOrder is an order to create.
type NewOrder struct {
	UserID   int64
	Product  string
	Quantity int64
	Price    decimal.Cents // per piece
}

// Filter selects the orders of a list.
type Filter struct {
	UserID int64  // 0 selects all users
	Status Status // empty selects all statuses
	After  int64  // selects IDs greater than this one, or less if Newest; 0 selects all
	Limit  int    // maximum number of orders
	Newest bool   // the newest orders come first
}

// Stats holds totals and an average over all orders.
type Stats struct {
	Orders   int64            // number of orders, including cancelled ones
	ByStatus map[Status]int64 // number of orders; has no entry for a status without orders
	Revenue  decimal.Cents    // sum of quantity × price, without cancelled orders
	Average  decimal.Cents    // average of quantity × price, without cancelled orders, rounded half up
}

// Status is the processing status of an order.
type Status string

// The statuses of an order. predecessors defines the allowed transitions.
const (
	Pending   Status = "pending"
	Shipped   Status = "shipped"
	Completed Status = "completed"
	Cancelled Status = "cancelled"
)

// Statuses returns all statuses, in the order in which responses list them.
func Statuses() []string {
	return []string{string(Pending), string(Shipped), string(Completed), string(Cancelled)}
}

// predecessors returns the statuses from which an order can change to s.
func (s Status) predecessors() []Status {
	switch s {
	case Shipped:
		return []Status{Pending}
	case Completed:
		return []Status{Shipped}
	case Cancelled:
		return []Status{Pending, Shipped}
	default:
		return nil
	}
}

// Limits of an order. With them, an int64 holds the revenue in cents of 92 million
// orders of the maximum amount.
const (
	maxQuantity = 1_000_000
	maxAmount   = decimal.Cents(1_000_000_000_00) // maximum of the price, and of quantity × price
)

// Validate returns the fields that are invalid.
func (o NewOrder) Validate() (invalid failure.Fields) {
	if o.UserID < 1 {
		invalid.Add("user_id", "must be "+failure.IDRange)
	}
	invalid.CheckText("product", o.Product)
	if o.Quantity < 1 || o.Quantity > maxQuantity {
		invalid.Add("quantity", "must be a whole number from 1 to 1000000")
	}
	if o.Price < 0 || o.Price > maxAmount {
		invalid.Add("price", "must be a number from 0 to 1000000000")
	}
	if !invalid.Has("quantity") && !invalid.Has("price") && decimal.Cents(o.Quantity)*o.Price > maxAmount {
		invalid.Add("quantity", "must be at most 1000000000 when multiplied by price")
		invalid.Add("price", "must be at most 1000000000 when multiplied by quantity")
	}
	return invalid
}

// validateStatus returns status as an invalid field if text is not a status.
func validateStatus(text string) (invalid failure.Fields) {
	if !slices.Contains(Statuses(), text) {
		invalid.Add("status", "must be one of pending, shipped, completed, cancelled")
	}
	return invalid
}

// orderNotFound returns the failure for an order that does not exist. id is the
// int64 in the request's path, or a string if the path contains no valid ID.
func orderNotFound(id any) *failure.Error {
	return failure.New(failure.NotFound, fmt.Sprintf("There is no order %v.", id)).With("order_id", id)
}
