package orders_test

import (
	"testing"

	"github.com/stretchr/testify/require"
	"golang.org/x/sync/errgroup"

	"tandem/src/chassis/database"
	"tandem/src/chassis/decimal"
	"tandem/src/orders"
)

func TestOrderStats(t *testing.T) {
	testStore(t, "equals the totals of all orders after concurrent changes", func(t *testing.T, store *orders.Store, _ *database.DB) {
		paths := [][]orders.Status{nil, {orders.Shipped}, {orders.Shipped, orders.Completed}, {orders.Cancelled}}
		var writers errgroup.Group
		for w := range 8 {
			writers.Go(func() error {
				for i := range 15 {
					order := orders.NewOrder{UserID: 1, Product: "x", Quantity: int64(i + 1), Price: decimal.Cents(w*100 + i)}
					created, err := store.Create(t.Context(), order)
					if err != nil {
						return err
					}
					for _, next := range paths[i%4] {
						if _, err := store.SetStatus(t.Context(), created.ID, next); err != nil {
							return err
						}
					}
				}
				return nil
			})
		}
		require.NoError(t, writers.Wait())
		stats, err := store.Stats(t.Context())
		require.NoError(t, err)
		require.EqualValues(t, 120, stats.Orders)
		require.Equal(t, recount(t, store), stats)
	})
}

func TestOrderStatsOrder(t *testing.T) {
	testServices(t, "lists the statuses in their order", func(t *testing.T, s services) {
		for range 4 {
			s.Post(t, "/orders", laptopJSON()).Require(t, 201)
		}
		s.Patch(t, "/orders/1", statusJSON("cancelled")).Require(t, 200)
		s.Patch(t, "/orders/2", statusJSON("shipped")).Require(t, 200)
		s.Patch(t, "/orders/3", statusJSON("shipped")).Require(t, 200)
		s.Patch(t, "/orders/3", statusJSON("completed")).Require(t, 200)
		const want = `"orders_by_status":{"pending":1,"shipped":1,"completed":1,"cancelled":1}`
		for range 20 { // a map of Go has another order each time
			require.Contains(t, s.Get(t, "/orders/stats").Require(t, 200).Text, want)
		}
	})
}

// recount computes the statistics from all orders.
func recount(t *testing.T, store *orders.Store) orders.Stats {
	t.Helper()
	stats := orders.Stats{ByStatus: map[orders.Status]int64{}}
	var notCancelled int64
	for after := int64(0); ; {
		page, err := store.List(t.Context(), orders.Filter{After: after, Limit: 100})
		require.NoError(t, err)
		if len(page) == 0 {
			stats.Average = stats.Revenue.Average(notCancelled)
			return stats
		}
		for _, o := range page {
			after = o.ID
			stats.Orders++
			stats.ByStatus[o.Status]++
			if o.Status != orders.Cancelled {
				notCancelled++
				stats.Revenue += decimal.Cents(o.Quantity) * o.Price
			}
		}
	}
}
