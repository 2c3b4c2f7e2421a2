package orders

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io/fs"

	"tandem/src/chassis/database"
	"tandem/src/chassis/decimal"
	"tandem/src/chassis/failure"
)

// Migrations are the versions of the store's schema.
func Migrations() fs.FS { return migrations }

// Store keeps orders in a database. Beside the failures that its methods name,
// each gives failure.Unavailable while the database is away.
type Store struct{ db *database.DB }

// NewStore returns the store in a database that has the Migrations.
func NewStore(db *database.DB) *Store { return &Store{db} }

const columns = "id, user_id, product, quantity, price_cents, status, created_at"

// Create stores a new, pending order.
func (s *Store) Create(ctx context.Context, o NewOrder) (created Order, err error) {
	err = s.db.Exec(ctx, op("INSERT"), func(ctx context.Context, q database.Querier) (err error) {
		created, err = insert(ctx, q, o)
		return err
	})
	return created, err
}

// Get returns the order with that id. The failure is NotFound.
func (s *Store) Get(ctx context.Context, id int64) (found Order, err error) {
	err = s.db.Read(ctx, op("SELECT"), func(ctx context.Context, q database.Querier) (err error) {
		found, err = scan(q.QueryRowContext(ctx, "SELECT "+columns+" FROM orders WHERE id = $1", id))
		return err
	})
	if errors.Is(err, sql.ErrNoRows) {
		return Order{}, noOrder(id)
	}
	return found, err
}

// List returns the orders that a filter chooses, by id.
func (s *Store) List(ctx context.Context, f Filter) (found []Order, err error) {
	var where database.Where
	if f.UserID != 0 {
		where.And("user_id =", f.UserID)
	}
	if f.Status != "" {
		where.And("status =", string(f.Status))
	}
	where.And("id >", f.After)
	page, args := where.Page(f.Limit)
	err = s.db.Read(ctx, op("SELECT"), func(ctx context.Context, q database.Querier) error {
		found, err = database.CollectRows(ctx, q, scan, "SELECT "+columns+" FROM orders"+page, args...)
		return err
	})
	return found, err
}

// SetStatus changes the status of an order. The failure is NotFound, or
// Conflict where the order's status cannot change to this one.
func (s *Store) SetStatus(ctx context.Context, id int64, status Status) (changed Order, err error) {
	before := status.Before()
	if len(before) == 0 {
		return Order{}, s.refuse(ctx, id, status)
	}
	const query = "UPDATE orders SET status = $2 WHERE id = $1 AND status IN ($3, $4) RETURNING " + columns
	err = s.db.Exec(ctx, op("UPDATE"), func(ctx context.Context, q database.Querier) (err error) {
		changed, err = scan(q.QueryRowContext(ctx, query, id, string(status), string(before[0]), string(before[len(before)-1])))
		return err
	})
	if errors.Is(err, sql.ErrNoRows) {
		return Order{}, s.refuse(ctx, id, status)
	}
	return changed, err
}

// refuse says why an order's status did not change.
func (s *Store) refuse(ctx context.Context, id int64, status Status) error {
	order, err := s.Get(ctx, id)
	if err != nil {
		return err
	}
	return failure.New(failure.Conflict, fmt.Sprintf("Order %d is %s; it cannot become %s.", id, order.Status, status))
}

// Stats returns the sums over all orders, at a cost that does not grow with
// them.
func (s *Store) Stats(ctx context.Context) (stats Stats, err error) {
	const query = "SELECT status, CAST(SUM(orders) AS BIGINT), CAST(SUM(revenue_cents) AS BIGINT) FROM order_stats GROUP BY status"
	var sums []sum
	err = s.db.Read(ctx, database.Op{Name: "SELECT", Table: "order_stats"}, func(ctx context.Context, q database.Querier) (err error) {
		sums, err = database.CollectRows(ctx, q, scanSum, query)
		return err
	})
	return total(sums), err
}

// sum is what order_stats says of one status.
type sum struct {
	status  Status
	orders  int64
	revenue decimal.Cents
}

func scanSum(row database.Row) (s sum, err error) {
	err = row.Scan(&s.status, &s.orders, &s.revenue)
	return s, err
}

func total(sums []sum) Stats {
	stats := Stats{ByStatus: map[Status]int64{}}
	var sold int64
	for _, s := range sums {
		if s.orders == 0 {
			continue
		}
		stats.Orders += s.orders
		stats.ByStatus[s.status] = s.orders
		if s.status != Cancelled {
			sold += s.orders
			stats.Revenue += s.revenue
		}
	}
	stats.Average = stats.Revenue.Average(sold)
	return stats
}

func insert(ctx context.Context, q database.Querier, o NewOrder) (Order, error) {
	const query = "INSERT INTO orders (user_id, product, quantity, price_cents, status, created_at) VALUES ($1, $2, $3, $4, $5, $6) RETURNING " + columns
	return scan(q.QueryRowContext(ctx, query, o.UserID, o.Product, o.Quantity, int64(o.Price), string(Pending), database.Now()))
}

func op(command string) database.Op { return database.Op{Name: command, Table: "orders"} }

func scan(row database.Row) (o Order, err error) {
	err = row.Scan(&o.ID, &o.UserID, &o.Product, &o.Quantity, &o.Price, &o.Status, &o.CreatedAt)
	o.CreatedAt = o.CreatedAt.UTC()
	return o, err
}
