package orders_test

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/sync/errgroup"

	"tandem/src/chassis/database"
	"tandem/src/chassis/decimal"
	"tandem/src/chassis/failure"
	"tandem/src/chassis/settings"
	"tandem/src/orders"
	"tandem/src/testkit/servicetest"
	"tandem/src/testkit/telemetrytest"
)

// onStores runs a test on the store alone, in an empty database of each kind.
func onStores(t *testing.T, test func(t *testing.T, store *orders.Store, db *database.DB)) {
	servicetest.OnBothStores(t, func(t *testing.T, config settings.Service) {
		signals, _ := telemetrytest.New(t)
		db, err := database.Open(t.Context(), database.Config{
			Name: "orders", URL: config.DatabaseURL, DataDir: config.DataDir, Migrations: orders.Migrations(),
		}, signals)
		require.NoError(t, err)
		t.Cleanup(func() { require.NoError(t, db.Close()) })
		test(t, orders.NewStore(db), db)
	})
}

func exec(t *testing.T, db *database.DB, statement string, args ...any) {
	t.Helper()
	require.NoError(t, db.Exec(t.Context(), database.Op{Name: "TEST", Table: "test"}, func(ctx context.Context, q database.Querier) error {
		_, err := q.ExecContext(ctx, statement, args...)
		return err
	}))
}

// recount computes the stats from the orders themselves.
func recount(t *testing.T, store *orders.Store) orders.Stats {
	t.Helper()
	stats := orders.Stats{ByStatus: map[orders.Status]int64{}}
	var sold int64
	for after := int64(0); ; {
		page, err := store.List(t.Context(), orders.Filter{After: after, Limit: 100})
		require.NoError(t, err)
		if len(page) == 0 {
			stats.Average = stats.Revenue.Average(sold)
			return stats
		}
		for _, o := range page {
			after = o.ID
			stats.Orders++
			stats.ByStatus[o.Status]++
			if o.Status != orders.Cancelled {
				sold++
				stats.Revenue += decimal.Cents(o.Quantity) * o.Price
			}
		}
	}
}

func TestStatsEqualARecountAfterConcurrentChanges(t *testing.T) {
	onStores(t, func(t *testing.T, store *orders.Store, _ *database.DB) {
		var writers errgroup.Group
		for w := range 8 {
			writers.Go(func() error {
				for i := range 15 {
					o, err := store.Create(t.Context(), orders.NewOrder{UserID: 1, Product: "x", Quantity: int64(i + 1), Price: decimal.Cents(w*100 + i)})
					if err != nil {
						return err
					}
					for _, next := range [][]orders.Status{nil, {orders.Shipped}, {orders.Shipped, orders.Completed}, {orders.Cancelled}}[i%4] {
						if _, err := store.SetStatus(t.Context(), o.ID, next); err != nil {
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

func encode(o orders.Order) ([]byte, error) { return []byte(fmt.Sprint(o.ID)), nil }

func TestAKeyExpiresAfterADayAndIsPurged(t *testing.T) {
	onStores(t, func(t *testing.T, store *orders.Store, db *database.DB) {
		order := orders.NewOrder{UserID: 1, Product: "x", Quantity: 1}
		old, young := orders.Request{Key: "old", Hash: []byte("a")}, orders.Request{Key: "young", Hash: []byte("a")}
		for _, r := range []orders.Request{old, young} {
			_, err := store.CreateOnce(t.Context(), r, order, encode)
			require.NoError(t, err)
		}
		age := func(key string, by time.Duration) {
			exec(t, db, "UPDATE idempotency_keys SET created_at = $1 WHERE key = $2", time.Now().UTC().Add(-by), key)
		}
		age("old", 24*time.Hour+time.Minute)
		age("young", 24*time.Hour-time.Minute)
		free, err := store.Replay(t.Context(), old)
		require.NoError(t, err)
		require.Nil(t, free)
		again, err := store.CreateOnce(t.Context(), orders.Request{Key: "old", Hash: []byte("b")}, order, encode)
		require.NoError(t, err)
		require.Equal(t, "3", string(again.Body))
		require.False(t, again.Replayed)

		age("old", 25*time.Hour)
		require.NoError(t, store.PurgeKeys(t.Context()))
		kept, err := store.Replay(t.Context(), young)
		require.NoError(t, err)
		require.Equal(t, "2", string(kept.Body))
		var left int
		require.NoError(t, db.Read(t.Context(), database.Op{}, func(ctx context.Context, q database.Querier) error {
			return q.QueryRowContext(ctx, "SELECT COUNT(*) FROM idempotency_keys").Scan(&left)
		}))
		require.Equal(t, 1, left)
	})
}

func TestAKeyThatStandsForAnotherOrderCreatesNothing(t *testing.T) {
	onStores(t, func(t *testing.T, store *orders.Store, _ *database.DB) {
		order := orders.NewOrder{UserID: 1, Product: "x", Quantity: 1}
		_, err := store.CreateOnce(t.Context(), orders.Request{Key: "k", Hash: []byte("a")}, order, encode)
		require.NoError(t, err)
		_, err = store.CreateOnce(t.Context(), orders.Request{Key: "k", Hash: []byte("b")}, order, encode)
		require.Equal(t, failure.Unprocessable, failure.CodeOf(err))
		stats, err := store.Stats(t.Context())
		require.NoError(t, err)
		require.EqualValues(t, 1, stats.Orders)
	})
}

func TestListsReadOnlyTheIndexedRowsTheyAnswer(t *testing.T) {
	config := servicetest.SQLite(t)
	signals, _ := telemetrytest.New(t)
	db, err := database.Open(t.Context(), database.Config{Name: "orders", DataDir: config.DataDir, Migrations: orders.Migrations()}, signals)
	require.NoError(t, err)
	defer db.Close()
	for where, index := range map[string]string{
		"id > 1":                                  "PRIMARY KEY",
		"user_id = 1 AND id > 1":                  "orders_user_id",
		"status = 'shipped' AND id > 1":           "orders_status_id",
		"user_id = 1 AND status = 'x' AND id > 1": "orders_user_status_id",
	} {
		var id, parent, unused int
		var plan string
		require.NoError(t, db.Read(t.Context(), database.Op{}, func(ctx context.Context, q database.Querier) error {
			return q.QueryRowContext(ctx, "EXPLAIN QUERY PLAN SELECT * FROM orders WHERE "+where+" ORDER BY id LIMIT 5").Scan(&id, &parent, &unused, &plan)
		}))
		require.Contains(t, plan, index, where)
		require.Contains(t, plan, "SEARCH", where)
	}
}
