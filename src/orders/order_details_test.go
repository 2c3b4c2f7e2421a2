package orders_test

import (
	"net/http"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestOrderDetails(t *testing.T) {
	testServices(t, "responds 404 with the ID of an unknown order", func(t *testing.T, s services) {
		for path, want := range map[string]string{"/orders/9/details": "9", "/orders/x/details": `"x"`} {
			require.Equal(t, want, s.Get(t, path).Require(t, 404).At(t, "order_id"), path)
		}
	})

	testServices(t, "returns the order without its user while the users service is unavailable", func(t *testing.T, s services) {
		createSixOrders(t, s)
		details := s.Get(t, "/orders/1/details").Require(t, 200)
		require.Equal(t, `"success"`, details.At(t, "communication_status"))
		require.Equal(t, `"Juan Perez"`, details.At(t, "user_details", "name"))
		require.NoError(t, s.users.Stop())
		details = s.Get(t, "/orders/1/details").Require(t, 200)
		require.Equal(t, `"failed"`, details.At(t, "communication_status"))
		require.Equal(t, "null", details.At(t, "user_details"))
		require.Equal(t, `"P1"`, details.At(t, "order", "product"))
	})

	t.Run("returns the order without its user if the user does not exist", func(t *testing.T) {
		userDeleted := false
		api := startWithUsersStub(t, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			if userDeleted {
				w.Header().Set("Content-Type", "application/problem+json")
				w.WriteHeader(http.StatusNotFound)
				return
			}
			writeUser(w)
		}))
		api.Post(t, "/orders", laptopJSON()).Require(t, 201)
		userDeleted = true
		details := api.Get(t, "/orders/1/details").Require(t, 200)
		require.Equal(t, "null", details.At(t, "user_details"))
		require.Equal(t, `"failed"`, details.At(t, "communication_status"))
	})
}
