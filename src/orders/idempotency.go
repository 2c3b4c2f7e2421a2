package orders

import (
	"bytes"
	"context"
	"crypto/sha256"
	"database/sql"
	"encoding/binary"
	"errors"
	"net/http"
	"strings"
	"time"

	"tandem/src/chassis/database"
	"tandem/src/chassis/failure"
)

// idempotencyKeyTTL is how long a response is stored under its key.
const idempotencyKeyTTL = 24 * time.Hour

// maxIdempotencyKeyLength is the maximum length of a key, in bytes.
const maxIdempotencyKeyLength = 255

// IdempotencyKey is a request's Idempotency-Key
// (https://datatracker.ietf.org/doc/draft-ietf-httpapi-idempotency-key-header/)
// together with a hash of the request. The zero value means no key.
type IdempotencyKey struct {
	Value       string
	RequestHash []byte // see NewOrder.hash
}

// CreatedResponse is the 201 response to a POST /orders request.
type CreatedResponse struct {
	OrderID  int64
	Body     []byte // JSON
	Replayed bool   // whether an earlier request with the same key created the order
}

// readIdempotencyKey returns the value of the request's Idempotency-Key header,
// without its quotes, or an empty string if the header is not set. It returns the
// header as an invalid field if its value is.
func readIdempotencyKey(r *http.Request) (key string, invalid failure.Fields) {
	values := r.Header.Values("Idempotency-Key")
	if len(values) == 0 {
		return "", nil
	}
	key = values[0]
	// The IETF draft has the key as a quoted string; many clients omit the quotes.
	if inner, ok := strings.CutPrefix(key, `"`); ok && strings.HasSuffix(inner, `"`) {
		key = strings.TrimSuffix(inner, `"`)
	}
	notPrintable := func(c rune) bool { return c < ' ' || c > '~' }
	if len(values) > 1 || key == "" || len(key) > maxIdempotencyKeyLength || strings.ContainsFunc(key, notPrintable) {
		invalid.Add("Idempotency-Key", "must be one value of 1 to 255 printable ASCII characters")
		return "", invalid
	}
	return key, nil
}

// hash returns a SHA-256 hash of the order. Two requests with the same key must
// have the same hash. It covers the decoded members, so that white space, the
// order of members and unknown members make no difference.
func (o NewOrder) hash() []byte {
	h := sha256.New()
	_ = binary.Write(h, binary.BigEndian, []int64{o.UserID, o.Quantity, int64(o.Price)}) // writing to a hash never fails
	h.Write([]byte(o.Product))
	return h.Sum(nil)
}

// FindResponse returns the response that is stored under the key, or nil if
// there is none or it has expired. Its error is failure.Unprocessable if a
// request with another hash used the key.
func (s *Store) FindResponse(ctx context.Context, key IdempotencyKey) (*CreatedResponse, error) {
	const query = "SELECT request_hash, order_id, answer FROM idempotency_keys WHERE key = $1 AND created_at > $2"
	var storedHash []byte
	response := CreatedResponse{Replayed: true}
	err := s.db.Read(ctx, idempotencyKeysOp("SELECT"), func(ctx context.Context, q database.Querier) error {
		row := q.QueryRowContext(ctx, query, key.Value, database.Now().Add(-idempotencyKeyTTL))
		return row.Scan(&storedHash, &response.OrderID, &response.Body)
	})
	switch {
	case errors.Is(err, sql.ErrNoRows):
		return nil, nil
	case err != nil:
		return nil, err
	case !bytes.Equal(storedHash, key.RequestHash):
		return nil, failure.New(failure.Unprocessable, "This Idempotency-Key was used for another order; use a new key for a new order.")
	default:
		return &response, nil
	}
}

// errKeyInUse makes CreateOnce roll back because another request used the key.
var errKeyInUse = errors.New("idempotency key is in use")

// CreateOnce inserts a pending order and stores the response to its request
// under the key, in one transaction. If another request uses the key at the
// same time, CreateOnce waits for that transaction, inserts nothing and returns
// the stored response. Its error is failure.Unprocessable if a request with
// another hash used the key.
//
// encode returns the response body for the inserted order. It is called inside
// the transaction, because the body contains the order's ID, which the insert
// assigns. The order and the response are therefore committed together: no order
// exists without its stored response, and a replay sends exactly the bytes of the
// first response.
func (s *Store) CreateOnce(
	ctx context.Context, key IdempotencyKey, order NewOrder, encode func(Order) ([]byte, error),
) (*CreatedResponse, error) {
	var response CreatedResponse
	err := s.db.Write(ctx, ordersOp("INSERT"), func(ctx context.Context, q database.Querier) error {
		created, err := insertOrder(ctx, q, order)
		if err != nil {
			return err
		}
		body, err := encode(created)
		if err != nil {
			return err
		}
		response = CreatedResponse{OrderID: created.ID, Body: body}
		return insertResponse(ctx, q, key, response)
	})
	if !errors.Is(err, errKeyInUse) {
		return &response, err
	}
	replay, err := s.FindResponse(ctx, key)
	if err == nil && replay == nil {
		// The stored response expired between the insert and the select.
		return nil, failure.New(failure.Unavailable, "The Idempotency-Key was in use; try again.")
	}
	return replay, err
}

// insertResponse stores a response under a key. It overwrites a response that
// has expired and returns errKeyInUse if there is one that has not. If another
// transaction is inserting the same key, the primary key makes this one wait.
func insertResponse(ctx context.Context, q database.Querier, key IdempotencyKey, r CreatedResponse) error {
	const query = "INSERT INTO idempotency_keys (key, request_hash, order_id, answer, created_at) VALUES ($1, $2, $3, $4, $5)" +
		" ON CONFLICT (key) DO UPDATE SET request_hash = excluded.request_hash, order_id = excluded.order_id," +
		" answer = excluded.answer, created_at = excluded.created_at WHERE idempotency_keys.created_at <= $6"
	now := database.Now()
	result, err := q.ExecContext(ctx, query, key.Value, key.RequestHash, r.OrderID, r.Body, now, now.Add(-idempotencyKeyTTL))
	if err != nil {
		return err
	}
	if rows, err := result.RowsAffected(); err != nil || rows == 0 {
		return errors.Join(err, errKeyInUse)
	}
	return nil
}

// DeleteExpiredKeys deletes the keys that have expired, with their responses.
func (s *Store) DeleteExpiredKeys(ctx context.Context) error {
	return s.db.Exec(ctx, idempotencyKeysOp("DELETE"), func(ctx context.Context, q database.Querier) error {
		_, err := q.ExecContext(ctx, "DELETE FROM idempotency_keys WHERE created_at <= $1", database.Now().Add(-idempotencyKeyTTL))
		return err
	})
}

func idempotencyKeysOp(command string) database.Op {
	return database.Op{Name: command, Table: "idempotency_keys"}
}
