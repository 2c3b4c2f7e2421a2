package orders_test

import (
	"fmt"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/require"

	"tandem/src/testkit/servicetest"
)

// six places orders 1 to 6 for users 1, 2, 3, 1, 2, 3 and ships 2 and 5.
func six(t *testing.T, p pair) {
	t.Helper()
	for i := range 6 {
		p.Post(t, "/orders", fmt.Sprintf(`{"user_id": %d, "product": "P%d", "quantity": 2, "price": 1.05}`, i%3+1, i+1)).Require(t, 201)
	}
	p.Patch(t, "/orders/2", `{"status": "shipped"}`).Require(t, 200)
	p.Patch(t, "/orders/5", `{"status": "shipped"}`).Require(t, 200)
}

func ids(t *testing.T, answer servicetest.Response) (found []string) {
	t.Helper()
	answer.Require(t, 200)
	for i := range answer.JSON["orders"].([]any) {
		found = append(found, answer.At(t, "orders", i, "id"))
	}
	require.Equal(t, fmt.Sprint(len(found)), answer.At(t, "count"))
	return found
}

func TestTheListHoldsWhatTheQueryChooses(t *testing.T) {
	tests := map[string]struct{ ids, filters string }{
		"":                                  {"1 2 3 4 5 6", `{"status":null,"user_id":null}`},
		"?user_id=1":                        {"1 4", `{"status":null,"user_id":1}`},
		"?status=shipped":                   {"2 5", `{"status":"shipped","user_id":null}`},
		"?user_id=2&status=shipped":         {"2 5", `{"status":"shipped","user_id":2}`},
		"?user_id=1&status=shipped":         {"", `{"status":"shipped","user_id":1}`},
		"?user_id=9223372036854775807":      {"", `{"status":null,"user_id":9223372036854775807}`},
		"?limit=2":                          {"1 2", `{"status":null,"user_id":null}`},
		"?status=pending&cursor=YWZ0ZXI6Mw": {"4 6", `{"status":"pending","user_id":null}`},
		"?nobody=knows":                     {"1 2 3 4 5 6", `{"status":null,"user_id":null}`},
	}
	onBoth(t, func(t *testing.T, p pair) {
		six(t, p)
		for query, want := range tests {
			answer := p.Get(t, "/orders"+query)
			require.Equal(t, want.ids, strings.Join(ids(t, answer), " "), query)
			require.Equal(t, want.filters, answer.At(t, "filters_applied"), query)
		}
	})
}

func TestPagesFollowEachOtherWithoutGapOrRepetition(t *testing.T) {
	onBoth(t, func(t *testing.T, p pair) {
		six(t, p)
		var all []string
		path := "/orders?limit=4&expand=user"
		for {
			answer := p.Get(t, path)
			all = append(all, ids(t, answer)...)
			next, more := answer.JSON["next_cursor"]
			if !more {
				break
			}
			path = "/orders?limit=4&expand=user&cursor=" + next.(string)
		}
		require.Equal(t, "1 2 3 4 5 6", strings.Join(all, " "))
	})
}

func TestAQueryValueThatCannotBeMeantIsNamed(t *testing.T) {
	tests := map[string][]string{
		"user_id=x": {"user_id"}, "user_id=0": {"user_id"}, "user_id=": {"user_id"}, "user_id=1e3": {"user_id"},
		"status=nope": {"status"}, "status=": {"status"}, "limit=501": {"limit"}, "cursor=!": {"cursor"},
		"expand=users": {"expand"}, "expand=user&limit=101": {"limit"}, "user_id=x&status=y": {"user_id", "status"},
	}
	onBoth(t, func(t *testing.T, p pair) {
		for query, want := range tests {
			require.ElementsMatch(t, want, p.Get(t, "/orders?"+query).Require(t, 400).Fields(), query)
		}
	})
}

func TestExpandAsksUsersOnceForAllOrders(t *testing.T) {
	var calls atomic.Int64
	api := onStub(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		const user = `{"id": %d, "name": "A", "email": "a@example.com", "active": true, "created_at": "2025-01-01T00:00:00Z"}`
		switch r.URL.Path {
		case "/health":
			_, _ = fmt.Fprint(w, `{"status": "healthy"}`)
		case "/users":
			calls.Add(1)
			require.Equal(t, "1,2,3", r.URL.Query().Get("ids"))
			_, _ = fmt.Fprintf(w, `{"users": [`+user+`, `+user+`]}`, 1, 2) // user 3 is gone
		default:
			_, _ = fmt.Fprintf(w, user, 1)
		}
	}))
	for i := range 6 {
		api.Post(t, "/orders", fmt.Sprintf(`{"user_id": %d, "product": "P", "quantity": 1, "price": 1}`, i%3+1)).Require(t, 201)
	}
	answer := api.Get(t, "/orders?expand=user").Require(t, 200)
	require.EqualValues(t, 1, calls.Load())
	require.Equal(t, `"success"`, answer.At(t, "communication_status"))
	require.Equal(t, "2", answer.At(t, "orders", 1, "user", "id"))
	require.Equal(t, "null", answer.At(t, "orders", 2, "user"))
}

func TestReadsDegradeWithoutUsers(t *testing.T) {
	onBoth(t, func(t *testing.T, p pair) {
		six(t, p)
		details := p.Get(t, "/orders/1/details").Require(t, 200)
		require.Equal(t, `"success"`, details.At(t, "communication_status"))
		require.Equal(t, `"Juan Perez"`, details.At(t, "user_details", "name"))
		require.NoError(t, p.users.Stop())
		details = p.Get(t, "/orders/1/details").Require(t, 200)
		require.Equal(t, `"failed"`, details.At(t, "communication_status"))
		require.Equal(t, "null", details.At(t, "user_details"))
		require.Equal(t, `"P1"`, details.At(t, "order", "product"))
		list := p.Get(t, "/orders?expand=user").Require(t, 200)
		require.Equal(t, `"failed"`, list.At(t, "communication_status"))
		require.Equal(t, "null", list.At(t, "orders", 0, "user"))
	})
}

func TestDetailsOfAUserWhoIsGoneDegrade(t *testing.T) {
	gone := false
	api := onStub(t, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		if gone {
			w.Header().Set("Content-Type", "application/problem+json")
			w.WriteHeader(http.StatusNotFound)
			return
		}
		w.Header().Set("Content-Type", "application/json")
		_, _ = fmt.Fprint(w, `{"id": 1, "name": "A", "email": "a@example.com", "active": true, "created_at": "2025-01-01T00:00:00Z"}`)
	}))
	api.Post(t, "/orders", laptop).Require(t, 201)
	gone = true
	details := api.Get(t, "/orders/1/details").Require(t, 200)
	require.Equal(t, "null", details.At(t, "user_details"))
	require.Equal(t, `"failed"`, details.At(t, "communication_status"))
}

func TestAnUnknownOrderIsNamed(t *testing.T) {
	onBoth(t, func(t *testing.T, p pair) {
		for path, want := range map[string]string{
			"/orders/9": "9", "/orders/-9": "-9", "/orders/x": `"x"`, "/orders/9/details": "9", "/orders/x/details": `"x"`,
		} {
			require.Equal(t, want, p.Get(t, path).Require(t, 404).At(t, "order_id"), path)
		}
		p.Patch(t, "/orders/9", `{"status": "shipped"}`).Require(t, 404)
	})
}

func TestTheDemosOrdersAreSeededOnce(t *testing.T) {
	seeded := servicetest.Postgres(t)
	seeded.SeedDemoData = true
	p := start(t, seeded, servicetest.SQLite(t))
	require.NoError(t, p.orders.Stop())
	again := servicetest.StartReady(t, run(t, seeded, p.users.URL))
	p.URL = again.URL
	stats := p.Get(t, "/orders/stats").Require(t, 200)
	require.Equal(t, "1400.00", stats.At(t, "total_revenue"))
	require.Equal(t, "466.67", stats.At(t, "average_order_value"))
	require.Equal(t, "3", stats.At(t, "total_orders"))
	require.Equal(t, `{"completed":1,"pending":1,"shipped":1}`, stats.At(t, "orders_by_status"))
	require.Equal(t, `"2025-01-16T14:20:00Z"`, p.Get(t, "/orders/2").At(t, "created_at"))
	require.Equal(t, "/orders/4", p.Post(t, "/orders", laptop).Require(t, 201).Header.Get("Location"))
}
