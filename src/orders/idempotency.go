package orders

import (
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

// keyLifetime is how long an answer is kept under its Idempotency-Key
// (https://datatracker.ietf.org/doc/draft-ietf-httpapi-idempotency-key-header/).
const keyLifetime = 24 * time.Hour

// maxKey is the greatest length of an Idempotency-Key, in characters.
const maxKey = 255

// Request is what a client may repeat: its key and what it asks for.
type Request struct {
	Key  string
	Hash []byte // of the order asked for
}

// Answer is the answer to a request that created an order.
type Answer struct {
	OrderID  int64
	Body     []byte // JSON
	Replayed bool   // given before
}

// readKey returns the request's Idempotency-Key, empty where it has none.
func readKey(r *http.Request) (string, error) {
	values := r.Header.Values("Idempotency-Key")
	if len(values) == 0 {
		return "", nil
	}
	key := values[0]
	if inner, ok := strings.CutPrefix(key, `"`); ok && strings.HasSuffix(inner, `"`) {
		key = strings.TrimSuffix(inner, `"`)
	}
	unprintable := func(c rune) bool { return c < ' ' || c > '~' }
	if len(values) > 1 || key == "" || len(key) > maxKey || strings.ContainsFunc(key, unprintable) {
		var bad failure.Fields
		bad.Add("Idempotency-Key", "must be one value of 1 to 255 printable ASCII characters")
		return "", bad.Err()
	}
	return key, nil
}

// hash identifies an order that is asked for. Members that were ignored do not
// count, nor does white space.
func (o NewOrder) hash() []byte {
	h := sha256.New()
	_ = binary.Write(h, binary.BigEndian, []int64{o.UserID, o.Quantity, int64(o.Price)}) // a hash never fails
	h.Write([]byte(o.Product))
	return h.Sum(nil)
}

// errKeyTaken ends a transaction in which another request's key was found.
var errKeyTaken = errors.New("idempotency key is taken")

// CreateOnce stores a new, pending order and, in the same transaction, the
// answer under the request's key. Where another request with the key has been
// faster, it waits for that one and returns its answer. The failure is
// Unprocessable where the key stands for another order.
func (s *Store) CreateOnce(ctx context.Context, r Request, o NewOrder, encode func(Order) ([]byte, error)) (*Answer, error) {
	var answer Answer
	err := s.db.Write(ctx, op("INSERT"), func(ctx context.Context, q database.Querier) error {
		created, err := insert(ctx, q, o)
		if err != nil {
			return err
		}
		body, err := encode(created)
		if err != nil {
			return err
		}
		answer = Answer{OrderID: created.ID, Body: body}
		return keep(ctx, q, r, answer)
	})
	if !errors.Is(err, errKeyTaken) {
		return &answer, err
	}
	earlier, err := s.Replay(ctx, r)
	if err == nil && earlier == nil {
		// It expired between the two looks.
		return nil, failure.New(failure.Unavailable, "The Idempotency-Key was in use; try again.")
	}
	return earlier, err
}

// keep stores an answer. An expired key is free; the unique key makes the
// second of two transactions wait for the first.
func keep(ctx context.Context, q database.Querier, r Request, a Answer) error {
	const query = "INSERT INTO idempotency_keys (key, request_hash, order_id, answer, created_at) VALUES ($1, $2, $3, $4, $5)" +
		" ON CONFLICT (key) DO UPDATE SET request_hash = excluded.request_hash, order_id = excluded.order_id," +
		" answer = excluded.answer, created_at = excluded.created_at WHERE idempotency_keys.created_at <= $6"
	at := database.Now()
	result, err := q.ExecContext(ctx, query, r.Key, r.Hash, a.OrderID, a.Body, at, at.Add(-keyLifetime))
	if err != nil {
		return err
	}
	if kept, err := result.RowsAffected(); err != nil || kept == 0 {
		return errors.Join(err, errKeyTaken)
	}
	return nil
}

// Replay returns the answer that is kept for a request, nil where there is
// none. The failure is Unprocessable where the key stands for another order.
func (s *Store) Replay(ctx context.Context, r Request) (*Answer, error) {
	const query = "SELECT request_hash, order_id, answer FROM idempotency_keys WHERE key = $1 AND created_at > $2"
	var hash []byte
	answer := Answer{Replayed: true}
	err := s.db.Read(ctx, keysOp("SELECT"), func(ctx context.Context, q database.Querier) error {
		return q.QueryRowContext(ctx, query, r.Key, database.Now().Add(-keyLifetime)).Scan(&hash, &answer.OrderID, &answer.Body)
	})
	switch {
	case errors.Is(err, sql.ErrNoRows):
		return nil, nil
	case err != nil:
		return nil, err
	case string(hash) != string(r.Hash):
		return nil, failure.New(failure.Unprocessable, "This Idempotency-Key was used for another order; use a new key for a new order.")
	default:
		return &answer, nil
	}
}

// PurgeKeys deletes keys that have expired.
func (s *Store) PurgeKeys(ctx context.Context) error {
	return s.db.Exec(ctx, keysOp("DELETE"), func(ctx context.Context, q database.Querier) error {
		_, err := q.ExecContext(ctx, "DELETE FROM idempotency_keys WHERE created_at <= $1", database.Now().Add(-keyLifetime))
		return err
	})
}

func keysOp(command string) database.Op {
	return database.Op{Name: command, Table: "idempotency_keys"}
}
