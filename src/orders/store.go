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

// Migrations returns the schema migrations of the service's database.
func Migrations() fs.FS { return migrations }

// Store reads and writes orders in a database. Besides the errors that their
// comments name, all methods return failure.Unavailable if the database is
// unavailable.
type Store struct {
	db        *database.DB
	creations *database.Group[*creation]
}

// NewStore returns a store in db, which must have the schema of Migrations.
func NewStore(db *database.DB) *Store {
	return &Store{db: db, creations: newCreations(db)}
}

// orderColumns are the columns that scanOrder reads.
const orderColumns = "id, user_id, product, quantity, price_cents, status, created_at"

// Create inserts an order with the status Pending. If its failure.Unavailable is
// Uncertain, the order may be stored.
func (s *Store) Create(ctx context.Context, order NewOrder) (Order, error) {
	c := &creation{order: order}
	err := s.creations.Write(ctx, c)
	return c.created, err
}

// Get returns the order with the given ID, or failure.NotFound.
func (s *Store) Get(ctx context.Context, id int64) (order Order, err error) {
	err = s.db.Read(ctx, ordersOp("SELECT"), func(ctx context.Context, q database.Querier) (err error) {
		order, err = scanOrder(q.QueryRowContext(ctx, "SELECT "+orderColumns+" FROM orders WHERE id = $1", id))
		return err
	})
	if errors.Is(err, sql.ErrNoRows) {
		return Order{}, orderNotFound(id)
	}
	return order, err
}

// List returns the orders that the filter selects, sorted by ID, the greatest first if the
// filter says so.
func (s *Store) List(ctx context.Context, f Filter) (orders []Order, err error) {
	var where database.Where
	if f.UserID != 0 {
		where.And("user_id =", f.UserID)
	}
	if f.Status != "" {
		where.And("status =", string(f.Status))
	}
	clauses, args := page(&where, f)
	err = s.db.Read(ctx, ordersOp("SELECT"), func(ctx context.Context, q database.Querier) error {
		orders, err = database.CollectRows(ctx, q, scanOrder, "SELECT "+orderColumns+" FROM orders"+clauses, args...)
		return err
	})
	return orders, err
}

// page adds to the conditions those of the page that the filter selects.
func page(where *database.Where, f Filter) (string, []any) {
	if !f.Newest {
		where.And("id >", f.After)
		return where.Page(f.Limit)
	}
	if f.After != 0 {
		where.And("id <", f.After)
	}
	return where.PageBackwards(f.Limit)
}

// SetStatus changes the status of an order and returns the changed order. It
// returns failure.NotFound if there is no such order, and failure.Conflict if the
// transition from its current status is not allowed.
func (s *Store) SetStatus(ctx context.Context, id int64, status Status) (order Order, err error) {
	from := status.predecessors()
	if len(from) == 0 {
		return Order{}, s.transitionError(ctx, id, status)
	}
	// A status has one or two predecessors. A single one is passed as $3 and as $4.
	const query = "UPDATE orders SET status = $2 WHERE id = $1 AND status IN ($3, $4) RETURNING " + orderColumns
	err = s.db.Exec(ctx, ordersOp("UPDATE"), func(ctx context.Context, q database.Querier) (err error) {
		order, err = scanOrder(q.QueryRowContext(ctx, query, id, string(status), string(from[0]), string(from[len(from)-1])))
		return err
	})
	if errors.Is(err, sql.ErrNoRows) {
		return Order{}, s.transitionError(ctx, id, status)
	}
	return order, err
}

// transitionError returns the reason why SetStatus changed no order:
// failure.NotFound or failure.Conflict.
func (s *Store) transitionError(ctx context.Context, id int64, status Status) error {
	order, err := s.Get(ctx, id)
	if err != nil {
		return err
	}
	return failure.New(failure.Conflict, fmt.Sprintf("Order %d is %s; it cannot become %s.", id, order.Status, status))
}

// Stats returns the totals over all orders. It reads them from the table
// order_stats, which triggers keep up to date, so its cost does not depend on
// the number of orders.
func (s *Store) Stats(ctx context.Context) (stats Stats, err error) {
	const query = "SELECT status, CAST(SUM(orders) AS BIGINT), CAST(SUM(revenue_cents) AS BIGINT) FROM order_stats GROUP BY status"
	var totals []statusTotals
	err = s.db.Read(ctx, database.Op{Name: "SELECT", Table: "order_stats"}, func(ctx context.Context, q database.Querier) (err error) {
		totals, err = database.CollectRows(ctx, q, scanStatusTotals, query)
		return err
	})
	return sumStats(totals), err
}

// statusTotals holds the totals over the orders with one status.
type statusTotals struct {
	status  Status
	orders  int64
	revenue decimal.Cents
}

// sumStats computes the totals over all orders from the totals of each status.
func sumStats(totals []statusTotals) Stats {
	stats := Stats{ByStatus: map[Status]int64{}}
	var notCancelled int64
	for _, t := range totals {
		if t.orders == 0 {
			continue
		}
		stats.Orders += t.orders
		stats.ByStatus[t.status] = t.orders
		if t.status != Cancelled {
			notCancelled += t.orders
			stats.Revenue += t.revenue
		}
	}
	stats.Average = stats.Revenue.Average(notCancelled)
	return stats
}

// ordersOp names an SQL command on the table orders, for spans and errors.
func ordersOp(command string) database.Op { return database.Op{Name: command, Table: "orders"} }

func scanOrder(row database.Row) (o Order, err error) {
	err = row.Scan(&o.ID, &o.UserID, &o.Product, &o.Quantity, &o.Price, &o.Status, &o.CreatedAt)
	o.CreatedAt = o.CreatedAt.UTC()
	return o, err
}

func scanStatusTotals(row database.Row) (t statusTotals, err error) {
	err = row.Scan(&t.status, &t.orders, &t.revenue)
	return t, err
}
