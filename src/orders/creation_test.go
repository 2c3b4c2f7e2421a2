package orders_test

import (
	"context"
	"database/sql"
	"fmt"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"tandem/src/chassis/failure"
	"tandem/src/chassis/settings"
	"tandem/src/orders"
	"tandem/src/testkit/postgrestest"
	"tandem/src/testkit/servicetest"
)

// outcome is what one request to create an order has led to.
type outcome struct {
	order    orders.NewOrder // its product is different from all others, but for requests with the same key
	key      string          // empty for none
	id       int64           // of the response
	body     string          // of the response
	replayed bool
	err      error
}

// create creates an order as a handler does, with a key unless it is empty.
func create(ctx context.Context, store *orders.Store, key string, order orders.NewOrder) outcome {
	o := outcome{order: order, key: key}
	encode := func(created orders.Order) ([]byte, error) {
		return []byte(fmt.Sprintf("%d %s %d", created.ID, created.Product, created.Price)), nil
	}
	if key == "" {
		created, err := store.Create(ctx, order)
		o.id, o.err = created.ID, err
		if err == nil {
			body, _ := encode(created)
			o.body = string(body)
		}
		return o
	}
	response, err := store.CreateOnce(ctx, orders.IdempotencyKey{Value: key, RequestHash: []byte(order.Product)}, order, encode)
	if o.err = err; err == nil {
		o.id, o.body, o.replayed = response.OrderID, string(response.Body), response.Replayed
	}
	return o
}

// createMany creates orders from several clients until ctx ends: some with a key, some
// with the key of others at the same time, and some that cannot be stored.
func createMany(ctx context.Context, clients int, stores ...*orders.Store) (all []outcome) {
	var running sync.WaitGroup
	var mu sync.Mutex
	var serial atomic.Int64
	for client := range clients {
		store := stores[client%len(stores)]
		running.Go(func() {
			for ctx.Err() == nil {
				n := serial.Add(1)
				order := orders.NewOrder{UserID: 1 + n%7, Product: fmt.Sprintf("product %d", n), Quantity: 1 + n%3, Price: 100}
				key := ""
				switch rand.IntN(5) {
				case 0:
					key = fmt.Sprintf("key %d", n)
				case 1: // one that several clients use at this moment
					shared := n / 8
					key, order.Product = fmt.Sprintf("shared %d", shared), fmt.Sprintf("shared product %d", shared)
				case 2:
					if rand.IntN(4) == 0 {
						order.Product += " \x00 that PostgreSQL rejects"
					}
				}
				o := create(context.WithoutCancel(ctx), store, key, order)
				mu.Lock()
				all = append(all, o)
				mu.Unlock()
			}
		})
	}
	running.Wait()
	return all
}

// terminate ends connections of the database one by one until ctx ends.
func terminate(ctx context.Context, admin *sql.DB) {
	const one = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity" +
		" WHERE datname = current_database() AND pid <> pg_backend_pid() AND state <> 'idle' ORDER BY random() LIMIT 1"
	for ctx.Err() == nil {
		_, _ = admin.ExecContext(ctx, one)
		time.Sleep(20 * time.Millisecond) // leaves some of them time to commit
	}
}

// storedOrders returns the id and the text that a response has, for each product.
func storedOrders(t *testing.T, admin *sql.DB) map[string][]string {
	t.Helper()
	rows, err := admin.QueryContext(t.Context(), "SELECT id, product, price_cents FROM orders")
	require.NoError(t, err)
	defer rows.Close()
	stored := map[string][]string{}
	for rows.Next() {
		var id, price int64
		var product string
		require.NoError(t, rows.Scan(&id, &product, &price))
		stored[product] = append(stored[product], fmt.Sprintf("%d %s %d", id, product, price))
	}
	require.NoError(t, rows.Err())
	return stored
}

// requireOutcomes compares what the callers got with what is stored.
func requireOutcomes(t *testing.T, all []outcome, stored map[string][]string) {
	t.Helper()
	acknowledged := map[string]int{} // by product, without replays
	for _, o := range all {
		texts := stored[o.order.Product]
		require.LessOrEqual(t, len(texts), 1, "stored twice: %+v", o)
		switch {
		case o.err == nil:
			require.Equal(t, []string{o.body}, texts, "an acknowledged order is stored, with the id of its response: %+v", o)
			require.Equal(t, fmt.Sprintf("%d %s %d", o.id, o.order.Product, o.order.Price), o.body)
			if !o.replayed {
				acknowledged[o.order.Product]++
			}
		case failure.IsUncertain(o.err):
			require.Empty(t, o.key, "with a key it is safe to repeat the request: %v", o.err)
		case failure.CodeOf(o.err) == failure.Unavailable && o.key == "":
			require.Empty(t, texts, "nothing is stored: %v", o.err)
		case failure.CodeOf(o.err) == failure.Internal:
			require.ErrorContains(t, o.err, "0x00")
			require.Contains(t, o.order.Product, "rejects")
		}
	}
	for product, n := range acknowledged {
		require.Equal(t, 1, n, "one response is the first, all others replay it: %s", product)
	}
}

func TestCreations(t *testing.T) {
	for name, kills := range map[string]bool{"on a healthy server": false, "while connections are killed": true} {
		t.Run("keep each order and its response together "+name, func(t *testing.T) {
			config := servicetest.SQLite(t)
			config.DatabaseURL = settings.ConnString(postgrestest.URL(t))
			admin, err := sql.Open("pgx", config.DatabaseURL.Raw())
			require.NoError(t, err)
			defer admin.Close()
			stores := []*orders.Store{orders.NewStore(openDatabase(t, config)), orders.NewStore(openDatabase(t, config))} // two replicas
			ctx, cancel := context.WithTimeout(t.Context(), 3*time.Second)
			defer cancel()
			if kills {
				var killer sync.WaitGroup
				killer.Go(func() { terminate(ctx, admin) })
				defer killer.Wait()
			}
			all := createMany(ctx, 24, stores...)

			stored := storedOrders(t, admin)
			requireOutcomes(t, all, stored)
			failed := 0
			for _, o := range all {
				if o.err != nil && failure.CodeOf(o.err) == failure.Unavailable {
					failed++
				}
				if o.key != "" && o.err != nil { // its repetition creates the order, or finds it
					again := create(t.Context(), stores[0], o.key, o.order)
					for again.err != nil && failure.CodeOf(again.err) == failure.Unavailable { // a connection of the pool is dead
						again = create(t.Context(), stores[0], o.key, o.order)
					}
					require.NoError(t, again.err)
					all = append(all, again)
				}
			}
			require.Equal(t, kills, failed > 0, "%d of %d", failed, len(all))
			stored = storedOrders(t, admin)
			requireOutcomes(t, all, stored)
			stats, err := stores[0].Stats(t.Context())
			require.NoError(t, err)
			require.EqualValues(t, len(stored), stats.Orders)
			t.Logf("%d requests, %d orders, %d failed", len(all), len(stored), failed)
		})
	}
}

func TestCreationsOfReplicas(t *testing.T) {
	t.Run("never wait for each other's keys in a circle", func(t *testing.T) {
		config := servicetest.SQLite(t)
		config.DatabaseURL = settings.ConnString(postgrestest.URL(t))
		admin, err := sql.Open("pgx", config.DatabaseURL.Raw())
		require.NoError(t, err)
		defer admin.Close()
		stores := []*orders.Store{orders.NewStore(openDatabase(t, config)), orders.NewStore(openDatabase(t, config))}
		for round := range 30 {
			var clients sync.WaitGroup
			for _, n := range rand.Perm(40) { // both replicas get the same keys in different sequences
				clients.Go(func() {
					key := fmt.Sprintf("%d %d", round, n/2)
					order := orders.NewOrder{UserID: 1, Product: key, Quantity: 1, Price: 1}
					require.NoError(t, create(t.Context(), stores[n%2], key, order).err)
				})
			}
			clients.Wait()
		}
		require.Len(t, storedOrders(t, admin), 30*20)
		require.Zero(t, deadlocks(t, admin))
	})
}

// deadlocks returns how many deadlocks the server has ended in the database.
func deadlocks(t *testing.T, admin *sql.DB) (n int) {
	t.Helper()
	require.NoError(t, admin.QueryRowContext(t.Context(),
		"SELECT deadlocks FROM pg_stat_database WHERE datname = current_database()").Scan(&n))
	return n
}
