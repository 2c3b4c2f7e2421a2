package orders

import (
	"net/http"

	"tandem/src/chassis/web"
	"tandem/src/users/client"
)

// orderDetails returns the handler of GET /orders/{id}/details. If the user
// cannot be read, the response contains only the order.
func orderDetails(store *Store, users *client.Client) web.Handler {
	return func(w http.ResponseWriter, r *http.Request) error {
		order, err := orderByPathID(store, r)
		if err != nil {
			return err
		}
		response := orderDetailsResponse{Order: toResponse(order), Communication: communicationFailed}
		user, err := users.User(r.Context(), order.UserID)
		switch {
		case err == nil:
			response.UserDetails, response.Communication = &user, communicationSucceeded
		case r.Context().Err() != nil:
			return err // the caller has cancelled the request
		}
		return web.JSON(w, http.StatusOK, response)
	}
}
