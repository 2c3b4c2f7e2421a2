package orders_test

import (
	"fmt"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"tandem/src/orders"
)

func TestUpdateOrder(t *testing.T) {
	testServices(t, "allows only the documented transitions", func(t *testing.T, s services) {
		allowed := map[string]bool{
			"pending shipped": true, "shipped completed": true, "pending cancelled": true, "shipped cancelled": true,
		}
		paths := map[string][]string{"pending": nil, "shipped": {"shipped"}, "completed": {"shipped", "completed"}, "cancelled": {"cancelled"}}
		for from, path := range paths {
			for _, to := range orders.Statuses() {
				location := s.Post(t, "/orders", laptopJSON()).Require(t, 201).Header.Get("Location")
				for _, step := range path {
					s.Patch(t, location, statusJSON(step)).Require(t, 200)
				}
				response := s.Patch(t, location, statusJSON(to))
				wantCode, wantStatus := 409, from
				if allowed[from+" "+to] {
					wantCode, wantStatus = 200, to
				}
				require.Equal(t, wantCode, response.Status, "%s to %s", from, to)
				require.Equal(t, fmt.Sprintf("%q", wantStatus), s.Get(t, location).At(t, "status"))
			}
		}
	})

	testServices(t, "names an invalid status", func(t *testing.T, s services) {
		s.Post(t, "/orders", laptopJSON()).Require(t, 201)
		for _, body := range []string{`{}`, `{"status": "lost"}`, `{"status": 1}`, `{"status": null}`} {
			require.Equal(t, []string{"status"}, s.Patch(t, "/orders/1", body).Require(t, 400).Fields(), body)
		}
	})

	testServices(t, "responds 404 to an unknown order", func(t *testing.T, s services) {
		s.Patch(t, "/orders/9", statusJSON("shipped")).Require(t, 404)
	})

	testServices(t, "lets exactly one of several concurrent transitions succeed", func(t *testing.T, s services) {
		s.Post(t, "/orders", laptopJSON()).Require(t, 201)
		codes := make([]int, 8)
		var requests sync.WaitGroup
		for i := range codes {
			requests.Go(func() { codes[i] = s.Patch(t, "/orders/1", statusJSON("cancelled")).Status })
		}
		requests.Wait()
		succeeded := 0
		for _, code := range codes {
			require.Contains(t, []int{200, 409}, code)
			if code == 200 {
				succeeded++
			}
		}
		require.Equal(t, 1, succeeded)
		require.Equal(t, `{"cancelled":1}`, s.Get(t, "/orders/stats").At(t, "orders_by_status"))
	})
}
