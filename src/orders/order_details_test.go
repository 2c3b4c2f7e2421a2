package orders_test

import (
	"io"
	"net/http"
	"strings"
	"sync/atomic"
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
		api := startWithUsersStub(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if userDeleted {
				w.Header().Set("Content-Type", "application/problem+json")
				w.WriteHeader(http.StatusNotFound)
				return
			}
			writeUser(w, r)
		}))
		api.Post(t, "/orders", laptopJSON()).Require(t, 201)
		userDeleted = true
		details := api.Get(t, "/orders/1/details").Require(t, 200)
		require.Equal(t, "null", details.At(t, "user_details"))
		require.Equal(t, `"failed"`, details.At(t, "communication_status"))
	})

	t.Run("returns the order without its user if users responds with something else", func(t *testing.T) {
		var body atomic.Value
		api := startWithUsersStub(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if wrong := body.Load(); wrong != nil {
				_, _ = io.WriteString(w, wrong.(string))
				return
			}
			writeUser(w, r)
		}))
		api.Post(t, "/orders", laptopJSON()).Require(t, 201)
		for _, wrong := range []string{
			`{}`, `null`, userJSON(2), strings.Replace(userJSON(1), `"active": true, `, "", 1),
			strings.Replace(userJSON(1), `"A"`, `"`+strings.Repeat("A", 3<<20)+`"`, 1),
		} {
			body.Store(wrong)
			details := api.Get(t, "/orders/1/details").Require(t, 200)
			require.Equal(t, "null", details.At(t, "user_details"), "%.80s", wrong)
			require.Equal(t, `"failed"`, details.At(t, "communication_status"))
			rejected := api.Post(t, "/orders", laptopJSON()).Require(t, 503)
			require.Equal(t, `"failed"`, rejected.At(t, "service_communication"), "%.80s", wrong)
			body.Store(`{"users": [` + wrong + `]}`)
			list := api.Get(t, "/orders?expand=user").Require(t, 200)
			require.Equal(t, `"failed"`, list.At(t, "communication_status"), "%.80s", wrong)
			require.Equal(t, "null", list.At(t, "orders", 0, "user"))
		}
		require.Equal(t, "1", api.Get(t, "/orders").At(t, "count"))
	})
}
