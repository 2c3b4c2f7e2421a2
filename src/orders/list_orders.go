package orders

import (
	"context"
	"net/http"
	"slices"
	"strconv"

	"tandem/src/chassis/web"
	"tandem/src/users/client"
)

// maxExpanded is how many orders can be answered with their users: as many as
// users can be asked for in one call.
const maxExpanded = 100

// listOrders answers GET /orders.
func listOrders(store *Store, users *client.Client) web.Handler {
	return func(w http.ResponseWriter, r *http.Request) error {
		filter, expand, err := readFilter(r)
		if err != nil {
			return err
		}
		limit := filter.Limit
		// One more than asked for tells whether there is a next page.
		filter.Limit++
		found, err := store.List(r.Context(), filter)
		if err != nil {
			return err
		}
		plain := page(found, filter, limit)
		if !expand {
			return web.JSON(w, http.StatusOK, plain)
		}
		expanded, err := withUsers(r.Context(), plain, users)
		if err != nil {
			return err
		}
		return web.JSON(w, http.StatusOK, expanded)
	}
}

func readFilter(r *http.Request) (filter Filter, expand bool, err error) {
	query := web.ReadQuery(r.URL)
	filter = Filter{
		UserID: query.ID("user_id"), Status: Status(query.OneOf("status", Statuses()...)),
		After: query.Cursor(), Limit: query.Limit(),
	}
	expand = query.OneOf("expand", "user") == "user"
	if expand && filter.Limit > maxExpanded {
		query.Reject("limit", "must be at most "+strconv.Itoa(maxExpanded)+" together with expand=user")
	}
	return filter, expand, query.Err()
}

func page(found []Order, filter Filter, limit int) pageAnswer[orderAnswer] {
	found, next := web.Page(found, limit, func(o Order) int64 { return o.ID })
	answer := pageAnswer[orderAnswer]{Orders: []orderAnswer{}, Count: len(found), Service: serviceName, NextCursor: next}
	for _, order := range found {
		answer.Orders = append(answer.Orders, wire(order))
	}
	if filter.UserID != 0 {
		answer.Filters.UserID = &filter.UserID
	}
	if filter.Status != "" {
		answer.Filters.Status = &filter.Status
	}
	return answer
}

// withUsers puts its user into each order, by one call to users for all. Users
// away, there are none in it. The error is that the request was given up.
func withUsers(ctx context.Context, plain pageAnswer[orderAnswer], users *client.Client) (pageAnswer[expandedOrder], error) {
	answer := pageAnswer[expandedOrder]{
		Orders: []expandedOrder{}, Count: plain.Count, Service: plain.Service, Filters: plain.Filters,
		Communication: communicationSucceeded, NextCursor: plain.NextCursor,
	}
	var found map[int64]client.User
	if ids := userIDs(plain.Orders); len(ids) > 0 {
		var err error
		if found, err = users.Users(ctx, ids); err != nil {
			answer.Communication = communicationFailed
		}
	}
	for _, order := range plain.Orders {
		expanded := expandedOrder{orderAnswer: order}
		if user, ok := found[order.UserID]; ok {
			expanded.User = &user
		}
		answer.Orders = append(answer.Orders, expanded)
	}
	return answer, ctx.Err()
}

// userIDs are the users of the orders, each once.
func userIDs(orders []orderAnswer) []int64 {
	ids := make([]int64, 0, len(orders))
	for _, order := range orders {
		ids = append(ids, order.UserID)
	}
	slices.Sort(ids)
	return slices.Compact(ids)
}
