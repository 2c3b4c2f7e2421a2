package orders_test

import (
	"context"
	"fmt"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/require"

	"tandem/src/chassis/database"
	"tandem/src/testkit/servicetest"
)

func TestListOrders(t *testing.T) {
	testServices(t, "returns the orders that the query selects", func(t *testing.T, s services) {
		tests := map[string]struct{ ids, filters string }{
			"":                                  {"1 2 3 4 5 6", `{"status":null,"user_id":null}`},
			"?user_id=1":                        {"1 4", `{"status":null,"user_id":1}`},
			"?status=shipped":                   {"2 5", `{"status":"shipped","user_id":null}`},
			"?user_id=2&status=shipped":         {"2 5", `{"status":"shipped","user_id":2}`},
			"?user_id=1&status=shipped":         {"", `{"status":"shipped","user_id":1}`},
			"?user_id=9223372036854775807":      {"", `{"status":null,"user_id":9223372036854775807}`},
			"?limit=2":                          {"1 2", `{"status":null,"user_id":null}`},
			"?status=pending&cursor=YWZ0ZXI6Mw": {"4 6", `{"status":"pending","user_id":null}`},
			"?unknown=x":                        {"1 2 3 4 5 6", `{"status":null,"user_id":null}`},
			"?sort=id&limit=2":                  {"1 2", `{"status":null,"user_id":null}`},
			"?sort=-id":                         {"6 5 4 3 2 1", `{"status":null,"user_id":null}`},
			"?sort=-id&user_id=1":               {"4 1", `{"status":null,"user_id":1}`},
			"?sort=-id&cursor=YWZ0ZXI6Mw":       {"2 1", `{"status":null,"user_id":null}`},
		}
		createSixOrders(t, s)
		for query, want := range tests {
			response := s.Get(t, "/orders"+query)
			require.Equal(t, want.ids, strings.Join(listedIDs(t, response), " "), query)
			require.Equal(t, want.filters, response.At(t, "filters_applied"), query)
		}
	})

	testServices(t, "returns each order on exactly one page", func(t *testing.T, s services) {
		createSixOrders(t, s)
		for query, want := range map[string]string{"limit=4&expand=user": "1 2 3 4 5 6", "limit=4&sort=-id": "6 5 4 3 2 1"} {
			var ids []string
			for cursor, hasNext := any(nil), true; hasNext; {
				path := "/orders?" + query
				if cursor != nil {
					path += "&cursor=" + cursor.(string)
				}
				response := s.Get(t, path)
				ids = append(ids, listedIDs(t, response)...)
				cursor, hasNext = response.JSON["next_cursor"]
			}
			require.Equal(t, want, strings.Join(ids, " "))
		}
	})

	testServices(t, "names all invalid query values", func(t *testing.T, s services) {
		tests := map[string][]string{
			"user_id=x": {"user_id"}, "user_id=0": {"user_id"}, "user_id=": {"user_id"}, "user_id=1e3": {"user_id"},
			"status=nope": {"status"}, "status=": {"status"}, "limit=501": {"limit"}, "cursor=!": {"cursor"},
			"sort=age": {"sort"}, "expand=users": {"expand"}, "expand=user&limit=101": {"limit"}, "user_id=x&status=y": {"user_id", "status"},
		}
		for query, want := range tests {
			require.ElementsMatch(t, want, s.Get(t, "/orders?"+query).Require(t, 400).Fields(), query)
		}
	})

	t.Run("reads the users of all orders in one call", func(t *testing.T) {
		var calls atomic.Int64
		api := startWithUsersStub(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Content-Type", "application/json")
			switch r.URL.Path {
			case "/health":
				_, _ = fmt.Fprint(w, `{"status": "healthy"}`)
			case "/users":
				calls.Add(1)
				require.Equal(t, "1,2,3", r.URL.Query().Get("ids"))
				_, _ = fmt.Fprintf(w, `{"users": [%s, %s]}`, userJSON(1), userJSON(2)) // user 3 does not exist
			default:
				writeUser(w, r)
			}
		}))
		for i := range 6 {
			api.Post(t, "/orders", orderJSON(i%3+1, "P", 1, 1)).Require(t, 201)
		}
		response := api.Get(t, "/orders?expand=user").Require(t, 200)
		require.EqualValues(t, 1, calls.Load())
		require.Equal(t, `"success"`, response.At(t, "communication_status"))
		require.Equal(t, "2", response.At(t, "orders", 1, "user", "id"))
		require.Equal(t, "null", response.At(t, "orders", 2, "user"))
	})

	testServices(t, "returns orders without their users while the users service is unavailable", func(t *testing.T, s services) {
		createSixOrders(t, s)
		require.NoError(t, s.users.Stop())
		list := s.Get(t, "/orders?expand=user").Require(t, 200)
		require.Equal(t, `"failed"`, list.At(t, "communication_status"))
		require.Equal(t, "null", list.At(t, "orders", 0, "user"))
	})

	t.Run("finds the rows of a page with an index", func(t *testing.T) {
		db := openDatabase(t, servicetest.SQLite(t))
		for where, index := range map[string]string{
			"id > 1":                                  "PRIMARY KEY",
			"user_id = 1 AND id > 1":                  "orders_user_id",
			"status = 'shipped' AND id > 1":           "orders_status_id",
			"user_id = 1 AND status = 'x' AND id > 1": "orders_user_status_id",
		} {
			var id, parent, unused int
			var plan string
			require.NoError(t, db.Read(t.Context(), database.Op{}, func(ctx context.Context, q database.Querier) error {
				row := q.QueryRowContext(ctx, "EXPLAIN QUERY PLAN SELECT * FROM orders WHERE "+where+" ORDER BY id LIMIT 5")
				return row.Scan(&id, &parent, &unused, &plan)
			}))
			require.Contains(t, plan, index, where)
			require.Contains(t, plan, "SEARCH", where)
		}
	})
}

// createSixOrders creates the orders 1 to 6 for the users 1, 2, 3, 1, 2, 3 and
// ships 2 and 5.
func createSixOrders(t *testing.T, s services) {
	t.Helper()
	for i := range 6 {
		s.Post(t, "/orders", orderJSON(i%3+1, fmt.Sprintf("P%d", i+1), 2, 1.05)).Require(t, 201)
	}
	s.Patch(t, "/orders/2", statusJSON("shipped")).Require(t, 200)
	s.Patch(t, "/orders/5", statusJSON("shipped")).Require(t, 200)
}

// listedIDs returns the IDs of the orders in a response to GET /orders.
func listedIDs(t *testing.T, response servicetest.Response) (ids []string) {
	t.Helper()
	response.Require(t, 200)
	for i := range response.JSON["orders"].([]any) {
		ids = append(ids, response.At(t, "orders", i, "id"))
	}
	require.Equal(t, fmt.Sprint(len(ids)), response.At(t, "count"))
	return ids
}
