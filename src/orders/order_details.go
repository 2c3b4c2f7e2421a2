package orders

import (
	"net/http"

	"tandem/src/chassis/web"
	"tandem/src/users/client"
)

// orderDetails answers GET /orders/{id}/details: the order also where its user
// cannot be had.
func orderDetails(store *Store, users *client.Client) web.Handler {
	return func(w http.ResponseWriter, r *http.Request) error {
		order, err := namedOrder(store, r)
		if err != nil {
			return err
		}
		answer := detailsAnswer{Order: wire(order), Communication: communicationFailed}
		if user, err := users.User(r.Context(), order.UserID); err == nil {
			answer.UserDetails, answer.Communication = &user, communicationSucceeded
		} else if r.Context().Err() != nil {
			return err
		}
		return web.JSON(w, http.StatusOK, answer)
	}
}
