// Package orders is the orders service: what users have ordered.
package orders

import (
	"fmt"
	"slices"
	"time"

	"tandem/src/chassis/decimal"
	"tandem/src/chassis/failure"
)

// Order is something that a user has ordered.
type Order struct {
	ID        int64
	UserID    int64
	Product   string
	Quantity  int64
	Price     decimal.Cents // of one piece
	Status    Status
	CreatedAt time.Time // UTC, in whole microseconds
}

// NewOrder is what an order is created from.
type NewOrder struct {
	UserID   int64
	Product  string
	Quantity int64
	Price    decimal.Cents
}

// Filter chooses orders of a list.
type Filter struct {
	UserID int64  // 0: of all users
	Status Status // empty: of any
	After  int64  // only ids greater than this
	Limit  int
}

// Stats are sums over all orders.
type Stats struct {
	Orders   int64
	ByStatus map[Status]int64 // of those statuses that an order has
	Revenue  decimal.Cents    // of all but cancelled orders
	Average  decimal.Cents    // of those, rounded half up
}

// Status is how far an order is.
type Status string

// The statuses of an order, in the order in which one can follow another.
const (
	Pending   Status = "pending"
	Shipped   Status = "shipped"
	Completed Status = "completed"
	Cancelled Status = "cancelled"
)

// Statuses lists every status.
func Statuses() []string {
	return []string{string(Pending), string(Shipped), string(Completed), string(Cancelled)}
}

// Before lists the statuses that can change to this one.
func (s Status) Before() []Status {
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

// Greatest values that an order may have, so that sums fit 64-bit cents.
const (
	maxQuantity = 1_000_000
	maxAmount   = decimal.Cents(1_000_000_000_00)
)

// Validate names each member that breaks a rule.
func (o NewOrder) Validate() (broken failure.Fields) {
	if o.UserID < 1 {
		broken.Add("user_id", "must be a whole number from 1")
	}
	broken.CheckText("product", o.Product)
	if o.Quantity < 1 || o.Quantity > maxQuantity {
		broken.Add("quantity", "must be a whole number from 1 to 1000000")
	}
	if o.Price < 0 || o.Price > maxAmount {
		broken.Add("price", "must be a number from 0 to 1000000000")
	}
	if !broken.Has("quantity") && !broken.Has("price") && decimal.Cents(o.Quantity)*o.Price > maxAmount {
		broken.Add("quantity", "times price must be at most 1000000000")
		broken.Add("price", "times quantity must be at most 1000000000")
	}
	return broken
}

// noOrder is the failure that no order has that id.
func noOrder(id any) *failure.Error {
	return failure.New(failure.NotFound, fmt.Sprintf("There is no order %v.", id)).With("order_id", id)
}

// checkStatus is the failure that a text is no status.
func checkStatus(text string) (broken failure.Fields) {
	if !slices.Contains(Statuses(), text) {
		broken.Add("status", "must be one of pending, shipped, completed, cancelled")
	}
	return broken
}
