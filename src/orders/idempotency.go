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

// CreatedResponse is the response 201 Created to a POST /orders request.
type CreatedResponse struct {
	OrderID  int64
	Body     []byte // JSON
	Replayed bool   // whether this is the stored response to an earlier request with the same key
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

// hash returns a SHA-256 hash of the order. It tells whether two requests with
// the same key ask for the same order. It covers the decoded values and not the
// JSON text, so two bodies may differ in white space, in unknown members and in
// the sequence of their members.
func (o NewOrder) hash() []byte {
	h := sha256.New()
	_ = binary.Write(h, binary.BigEndian, []int64{o.UserID, o.Quantity, int64(o.Price)}) // writing to a hash never fails
	h.Write([]byte(o.Product))
	return h.Sum(nil)
}

// FindResponse returns the response that is stored under the key, or nil if
// there is none or it has expired. It returns failure.Unprocessable if the key
// was used for a different order: the stored hash is not the key's.
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
		return nil, failure.New(failure.Unprocessable, "This Idempotency-Key was used for a different order; use a new key for each order.")
	default:
		return &response, nil
	}
}

// errKeyUsed makes a creation roll back, because a response is already stored under
// its key.
var errKeyUsed = errors.New("a response is already stored under the idempotency key")

// CreateOnce inserts a pending order and stores the response under the key, in
// one transaction. If a response is already stored under the key, CreateOnce
// inserts nothing and returns that response. If another transaction is storing
// one at the same time, CreateOnce waits until it ends. It returns
// failure.Unprocessable if the key was used for a different order. Its
// failure.Unavailable may mean that the order is stored; it is never Uncertain, as
// the same key gives the same order.
//
// encode returns the response body for the inserted order. CreateOnce calls it
// inside the transaction, because the body contains the ID that the insert
// assigns. One commit for the order and the response means that no order exists
// without its stored response, and that a replay has exactly the bytes of the
// first response.
func (s *Store) CreateOnce(
	ctx context.Context, key IdempotencyKey, order NewOrder, encode func(Order) ([]byte, error),
) (*CreatedResponse, error) {
	c := &creation{order: order, key: key, encode: encode}
	err := s.creations.Write(ctx, c)
	if failure.IsUncertain(err) { // the key makes it safe to repeat the request
		const message = "The order may have been stored; send it again with the same Idempotency-Key."
		return nil, failure.New(failure.Unavailable, message).WithCause(err)
	}
	if !errors.Is(err, errKeyUsed) {
		return &c.response, err
	}
	stored, err := s.FindResponse(ctx, key)
	if err == nil && stored == nil {
		// The stored response has expired since the attempt to insert.
		return nil, failure.New(failure.Unavailable, "The response stored under this Idempotency-Key has just expired; try again.")
	}
	return stored, err
}

// DeleteExpiredKeys deletes the keys that have expired, with their responses.
func (s *Store) DeleteExpiredKeys(ctx context.Context) error {
	return s.db.Exec(ctx, idempotencyKeysOp("DELETE"), func(ctx context.Context, q database.Querier) error {
		_, err := q.ExecContext(ctx, "DELETE FROM idempotency_keys WHERE created_at <= $1", database.Now().Add(-idempotencyKeyTTL))
		return err
	})
}

// idempotencyKeysOp names an SQL command on the table idempotency_keys, for spans
// and errors.
func idempotencyKeysOp(command string) database.Op {
	return database.Op{Name: command, Table: "idempotency_keys"}
}
