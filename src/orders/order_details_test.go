package orders_test

import (
	"fmt"
	"io"
	"net/http"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/require"

	"tandem/src/testkit/servicetest"
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

func TestSharedLookups(t *testing.T) {
	testServices(t, "make fewer calls than requests, and the metrics of both services say so", func(t *testing.T, s services) {
		const requests = 100
		createSixOrders(t, s) // six look-ups
		lookups := 6
		for shared := 0.0; shared == 0; lookups += requests {
			var clients sync.WaitGroup
			for i := range requests {
				clients.Go(func() {
					details := s.Get(t, fmt.Sprintf("/orders/%d/details", i%6+1))
					if details.At(t, "order", "user_id") != details.At(t, "user_details", "id") {
						t.Errorf("the details of an order have another user: %s", details.Text)
					}
				})
			}
			clients.Wait()
			metrics := s.Get(t, "/metrics").Text
			shared = sumOf(t, metrics, "users_client_lookups_per_call_sum") - sumOf(t, metrics, "users_client_lookups_per_call_count")
		}
		ofOrders, ofUsers := s.Get(t, "/metrics").Text, servicetest.API{URL: s.users.URL}.Get(t, "/metrics").Text
		calls := sumOf(t, ofOrders, "users_client_lookups_per_call_count")
		require.InDelta(t, lookups, sumOf(t, ofOrders, "users_client_lookups_per_call_sum"), 0)
		require.Less(t, calls, float64(lookups))
		require.InDelta(t, calls, sumOf(t, ofOrders, "http_client_request_duration_seconds_count"), 0)
		single := sumOf(t, ofUsers, `http_server_request_duration_seconds_count{http_request_method="GET",[^}]*http_route="/users/{id}"`)
		require.InDelta(t, calls, single+sumOf(t, ofUsers, "users_ids_per_request_count"), 0)
		require.LessOrEqual(t, single+sumOf(t, ofUsers, "users_ids_per_request_sum"), float64(lookups), "no ID twice in a call")
	})
}

// sumOf returns the sum of the series in the metrics of a service that begin with a
// pattern. There must be one at least.
func sumOf(t *testing.T, metrics, pattern string) (sum float64) {
	t.Helper()
	found := regexp.MustCompile(`(?m)^`+pattern+`.* (\d+)$`).FindAllStringSubmatch(metrics, -1)
	require.NotEmpty(t, found, pattern)
	for _, line := range found {
		value, err := strconv.ParseFloat(line[1], 64)
		require.NoError(t, err)
		sum += value
	}
	return sum
}
