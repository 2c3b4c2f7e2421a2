package orders

import (
	"context"
	"time"

	"tandem/src/chassis/database"
)

// demoOrders returns the orders of the demo data.
func demoOrders() []Order {
	at := func(day, hour, minute int) time.Time { return time.Date(2025, 1, day, hour, minute, 0, 0, time.UTC) }
	return []Order{
		{ID: 1, UserID: 1, Product: "Laptop HP Pavilion", Quantity: 1, Price: 1200_00, Status: Completed, CreatedAt: at(15, 10, 30)},
		{ID: 2, UserID: 2, Product: "Mouse Inalambrico", Quantity: 2, Price: 25_00, Status: Pending, CreatedAt: at(16, 14, 20)},
		{ID: 3, UserID: 1, Product: "Teclado Mecanico", Quantity: 1, Price: 150_00, Status: Shipped, CreatedAt: at(17, 9, 15)},
	}
}

// Seed inserts the demo orders if the store is empty. Several replicas may
// call it at the same time.
func (s *Store) Seed(ctx context.Context) error {
	return s.db.Seed(ctx, "orders", func(ctx context.Context, q database.Querier) error {
		for _, o := range demoOrders() {
			const query = "INSERT INTO orders (" + orderColumns + ") VALUES ($1, $2, $3, $4, $5, $6, $7)"
			args := []any{o.ID, o.UserID, o.Product, o.Quantity, int64(o.Price), string(o.Status), o.CreatedAt}
			if _, err := q.ExecContext(ctx, query, args...); err != nil {
				return err
			}
		}
		return nil
	})
}
