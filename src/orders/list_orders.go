package orders

import (
	"context"
	"net/http"
	"slices"
	"strconv"

	"tandem/src/chassis/web"
	"tandem/src/users/client"
)

// maxExpandLimit is the maximum limit with expand=user. The users of a page are
// read in one call, and a call returns at most 100 users.
const maxExpandLimit = 100

// listOrders returns the handler of GET /orders.
func listOrders(store *Store, users *client.Client) web.Handler {
	return func(w http.ResponseWriter, r *http.Request) error {
		filter, expand, err := readFilter(r)
		if err != nil {
			return err
		}
		limit := filter.Limit
		filter.Limit++ // reads one order more than the page may contain; if there is one, there is a next page
		orders, err := store.List(r.Context(), filter)
		if err != nil {
			return err
		}
		page := newPage(orders, filter, limit)
		if !expand {
			return web.JSON(w, http.StatusOK, page)
		}
		expanded, err := expandUsers(r.Context(), page, users)
		if err != nil {
			return err
		}
		return web.JSON(w, http.StatusOK, expanded)
	}
}

// readFilter reads the query of a GET /orders request. expand reports whether
// it has expand=user.
func readFilter(r *http.Request) (filter Filter, expand bool, err error) {
	query := web.ReadQuery(r.URL)
	filter = Filter{
		UserID: query.ID("user_id"), Status: Status(query.OneOf("status", Statuses()...)),
		After: query.Cursor(), Limit: query.Limit(), Newest: query.OneOf("sort", "id", "-id") == "-id",
	}
	expand = query.OneOf("expand", "user") == "user"
	if expand && filter.Limit > maxExpandLimit {
		query.Reject("limit", "must be at most "+strconv.Itoa(maxExpandLimit)+" together with expand=user")
	}
	return filter, expand, query.Err()
}

// newPage returns a page of the first limit orders. If there are more orders than
// limit, the page has a cursor for the next page.
func newPage(orders []Order, filter Filter, limit int) listOrdersResponse[orderResponse] {
	orders, next := web.Page(orders, limit, func(o Order) int64 { return o.ID })
	page := listOrdersResponse[orderResponse]{Orders: []orderResponse{}, Count: len(orders), Service: serviceName, NextCursor: next}
	for _, order := range orders {
		page.Orders = append(page.Orders, toResponse(order))
	}
	if filter.UserID != 0 {
		page.Filters.UserID = &filter.UserID
	}
	if filter.Status != "" {
		page.Filters.Status = &filter.Status
	}
	return page
}

// expandUsers returns a copy of the page in which each order contains its user.
// It reads all users in one call. If the call fails, the orders contain no users
// and communication_status is "failed". expandUsers returns an error only if the
// caller has cancelled the request.
func expandUsers(
	ctx context.Context, page listOrdersResponse[orderResponse], users *client.Client,
) (listOrdersResponse[expandedOrder], error) {
	expanded := listOrdersResponse[expandedOrder]{
		Orders: []expandedOrder{}, Count: page.Count, Service: page.Service, Filters: page.Filters,
		Communication: communicationSucceeded, NextCursor: page.NextCursor,
	}
	var usersByID map[int64]client.User
	if ids := userIDs(page.Orders); len(ids) > 0 {
		var err error
		if usersByID, err = users.Users(ctx, ids); err != nil {
			expanded.Communication = communicationFailed
		}
	}
	for _, order := range page.Orders {
		item := expandedOrder{orderResponse: order}
		if user, ok := usersByID[order.UserID]; ok {
			item.User = &user
		}
		expanded.Orders = append(expanded.Orders, item)
	}
	return expanded, ctx.Err()
}

// userIDs returns the user IDs of the orders, sorted and without duplicates.
func userIDs(orders []orderResponse) []int64 {
	ids := make([]int64, 0, len(orders))
	for _, order := range orders {
		ids = append(ids, order.UserID)
	}
	slices.Sort(ids)
	return slices.Compact(ids)
}
