package orders

import (
	"context"
	"database/sql"
	"errors"
	"slices"
	"strings"
	"time"

	"tandem/src/chassis/database"
)

// creation is an order to insert. With a key, the response to its request is stored
// in the same transaction.
type creation struct {
	order  NewOrder
	key    IdempotencyKey              // the zero value means no key
	encode func(Order) ([]byte, error) // returns the response body; nil without a key

	created  Order           // set by insertCreations
	response CreatedResponse // set by insertCreations, if there is a key
}

func (c *creation) hasKey() bool { return c.key.Value != "" }

// newCreations returns the group that concurrent creations share.
func newCreations(db *database.DB) *database.Group[*creation] {
	insert := insertEach
	if db.TakesArrays() {
		insert = insertTogether
	}
	return database.NewGroup(db, ordersOp("INSERT"), (*creation).hasKey, insert)
}

// insertEach inserts the orders and then the responses, each with a statement of its
// own, on SQLite. It returns errKeyUsed if a response is already stored under one of
// the keys.
func insertEach(ctx context.Context, q database.Querier, creations []*creation) error {
	for _, c := range creations {
		if err := insertOne(ctx, q, c, lastID); err != nil {
			return err
		}
	}
	return nil
}

func insertOne(ctx context.Context, q database.Querier, c *creation, insert insertFunc) error {
	now := database.Now()
	id, err := insert(ctx, q, c.order.UserID, c.order.Product, c.order.Quantity, int64(c.order.Price), string(Pending), now)
	if err != nil {
		return err
	}
	c.created = c.order.stored(id, now)
	if !c.hasKey() {
		return nil
	}
	if err := c.encodeResponse(); err != nil {
		return err
	}
	return insertResponse(ctx, q, c.key, c.response)
}

// encodeResponse sets the response to the request of the created order.
func (c *creation) encodeResponse() error {
	body, err := c.encode(c.created)
	c.response = CreatedResponse{OrderID: c.created.ID, Body: body}
	return err
}

const insertOrder = "INSERT INTO orders (user_id, product, quantity, price_cents, status, created_at) VALUES ($1, $2, $3, $4, $5, $6)"

// insertFunc runs insertOrder and returns the id of the row.
type insertFunc func(ctx context.Context, q database.Querier, args ...any) (id int64, err error)

// lastID is the insertFunc of SQLite. Its driver knows the id; to read it as a row takes
// another twenty allocations.
func lastID(ctx context.Context, q database.Querier, args ...any) (int64, error) {
	result, err := q.ExecContext(ctx, insertOrder, args...)
	if err != nil {
		return 0, err
	}
	return result.LastInsertId()
}

// returnedID is the insertFunc of PostgreSQL.
func returnedID(ctx context.Context, q database.Querier, args ...any) (id int64, err error) {
	err = q.QueryRowContext(ctx, insertOrder+" RETURNING id", args...).Scan(&id)
	return id, err
}

// insertResponse stores a response under a key. It replaces a stored response
// that has expired, and returns errKeyUsed if the stored one is still valid. While
// another transaction inserts the same key, the primary key makes this one wait.
func insertResponse(ctx context.Context, q database.Querier, key IdempotencyKey, r CreatedResponse) error {
	const query = "INSERT INTO idempotency_keys (key, request_hash, order_id, answer, created_at) VALUES ($1, $2, $3, $4, $5)" +
		" ON CONFLICT (key) DO UPDATE SET request_hash = excluded.request_hash, order_id = excluded.order_id," +
		" answer = excluded.answer, created_at = excluded.created_at WHERE idempotency_keys.created_at <= $6"
	now := database.Now()
	result, err := q.ExecContext(ctx, query, key.Value, key.RequestHash, r.OrderID, r.Body, now, now.Add(-idempotencyKeyTTL))
	return requireStored(1, result, err)
}

// requireStored returns errKeyUsed if a statement has stored fewer responses than it
// should: those that were stored under the same keys are still valid.
func requireStored(want int, result sql.Result, err error) error {
	if err != nil {
		return err
	}
	if stored, err := result.RowsAffected(); err != nil || stored < int64(want) {
		return errors.Join(err, errKeyUsed)
	}
	return nil
}

// insertTogether does the same as insertEach with one statement for all orders and
// one for all responses, on PostgreSQL.
func insertTogether(ctx context.Context, q database.Querier, creations []*creation) error {
	if len(creations) == 1 {
		return insertOne(ctx, q, creations[0], returnedID)
	}
	if err := insertOrders(ctx, q, creations); err != nil {
		return err
	}
	var keyed []*creation
	for _, c := range creations {
		if !c.hasKey() {
			continue
		}
		if err := c.encodeResponse(); err != nil {
			return err
		}
		keyed = append(keyed, c)
	}
	if len(keyed) == 0 {
		return nil
	}
	return insertResponses(ctx, q, keyed)
}

// insertOrders inserts the orders with one statement. The ids are chosen before the
// rows are inserted, so that each is returned with the position of its order: SQL does
// not promise that RETURNING keeps the sequence.
func insertOrders(ctx context.Context, q database.Querier, creations []*creation) error {
	const query = "WITH wanted AS MATERIALIZED (SELECT nextval((SELECT pg_get_serial_sequence('orders', 'id')::regclass)) AS id, o.* FROM" +
		" unnest($1::bigint[], $2::text[], $3::bigint[], $4::bigint[])" +
		" WITH ORDINALITY AS o (user_id, product, quantity, price_cents, position))," +
		" created AS (INSERT INTO orders (" + orderColumns + ")" +
		" SELECT id, user_id, product, quantity, price_cents, $5::text, $6::timestamptz FROM wanted)" +
		" SELECT position, id FROM wanted"
	now := database.Now()
	values := columnsOf(creations)
	ids, err := database.CollectRows(ctx, q, scanPosition, query,
		values.userIDs, values.products, values.quantities, values.prices, string(Pending), now)
	if err != nil {
		return err
	}
	for _, row := range ids {
		c := creations[row.position-1]
		c.created = c.order.stored(row.id, now)
	}
	return nil
}

// stored returns the order as it is stored.
func (o NewOrder) stored(id int64, createdAt time.Time) Order {
	return Order{
		ID: id, UserID: o.UserID, Product: o.Product, Quantity: o.Quantity, Price: o.Price, Status: Pending, CreatedAt: createdAt,
	}
}

// orderValues holds the columns of several new orders.
type orderValues struct {
	userIDs, quantities, prices []int64
	products                    []string
}

func columnsOf(creations []*creation) (v orderValues) {
	for _, c := range creations {
		v.userIDs = append(v.userIDs, c.order.UserID)
		v.products = append(v.products, c.order.Product)
		v.quantities = append(v.quantities, c.order.Quantity)
		v.prices = append(v.prices, int64(c.order.Price))
	}
	return v
}

// positionedID is the id of the order at a position, from 1.
type positionedID struct{ position, id int64 }

func scanPosition(row database.Row) (p positionedID, err error) {
	err = row.Scan(&p.position, &p.id)
	return p, err
}

// errEqualKeys makes a group with two equal keys run one by one: the first creates its
// order, and the others get the response to it.
var errEqualKeys = errors.New("two requests of a group have the same idempotency key")

// insertResponses stores the responses under their keys with one statement. The keys
// are sorted, so that two groups that have some of them in common cannot each wait for
// the other.
func insertResponses(ctx context.Context, q database.Querier, creations []*creation) error {
	const query = "INSERT INTO idempotency_keys (key, request_hash, order_id, answer, created_at)" +
		" SELECT k.*, $5::timestamptz FROM unnest($1::text[], $2::bytea[], $3::bigint[], $4::bytea[]) AS k" +
		" ON CONFLICT (key) DO UPDATE SET request_hash = excluded.request_hash, order_id = excluded.order_id," +
		" answer = excluded.answer, created_at = excluded.created_at WHERE idempotency_keys.created_at <= $6"
	slices.SortFunc(creations, func(a, b *creation) int { return strings.Compare(a.key.Value, b.key.Value) })
	var keys []string
	var hashes, answers [][]byte
	var ids []int64
	for i, c := range creations {
		if i > 0 && c.key.Value == keys[i-1] {
			return errEqualKeys
		}
		keys, hashes = append(keys, c.key.Value), append(hashes, c.key.RequestHash)
		ids, answers = append(ids, c.response.OrderID), append(answers, c.response.Body)
	}
	now := database.Now()
	result, err := q.ExecContext(ctx, query, keys, hashes, ids, answers, now, now.Add(-idempotencyKeyTTL))
	return requireStored(len(keys), result, err)
}
