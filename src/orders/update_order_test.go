package orders_test

import (
	"fmt"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"tandem/src/orders"
)

func TestAStatusChangesOnlyForward(t *testing.T) {
	allowed := map[string]bool{
		"pending shipped": true, "shipped completed": true, "pending cancelled": true, "shipped cancelled": true,
	}
	way := map[string][]string{"pending": nil, "shipped": {"shipped"}, "completed": {"shipped", "completed"}, "cancelled": {"cancelled"}}
	onBoth(t, func(t *testing.T, p pair) {
		for from, steps := range way {
			for _, to := range orders.Statuses() {
				path := p.Post(t, "/orders", laptop).Require(t, 201).Header.Get("Location")
				for _, step := range steps {
					p.Patch(t, path, fmt.Sprintf(`{"status": %q}`, step)).Require(t, 200)
				}
				answer := p.Patch(t, path, fmt.Sprintf(`{"status": %q}`, to))
				want, now := 409, from
				if allowed[from+" "+to] {
					want, now = 200, to
				}
				require.Equal(t, want, answer.Status, "%s to %s", from, to)
				require.Equal(t, fmt.Sprintf("%q", now), p.Get(t, path).At(t, "status"))
			}
		}
	})
}

func TestABadStatusIsNamed(t *testing.T) {
	onBoth(t, func(t *testing.T, p pair) {
		p.Post(t, "/orders", laptop).Require(t, 201)
		for _, body := range []string{`{}`, `{"status": "lost"}`, `{"status": 1}`, `{"status": null}`} {
			require.Equal(t, []string{"status"}, p.Patch(t, "/orders/1", body).Require(t, 400).Fields(), body)
		}
	})
}

func TestOfManyTransitionsAtOnceOneWins(t *testing.T) {
	onBoth(t, func(t *testing.T, p pair) {
		p.Post(t, "/orders", laptop).Require(t, 201)
		statuses := make([]int, 8)
		var all sync.WaitGroup
		for i := range statuses {
			all.Go(func() { statuses[i] = p.Patch(t, "/orders/1", `{"status": "cancelled"}`).Status })
		}
		all.Wait()
		won := 0
		for _, status := range statuses {
			require.Contains(t, []int{200, 409}, status)
			if status == 200 {
				won++
			}
		}
		require.Equal(t, 1, won)
		require.Equal(t, `{"cancelled":1}`, p.Get(t, "/orders/stats").At(t, "orders_by_status"))
	})
}
