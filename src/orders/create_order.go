package orders

import (
	"context"
	"errors"
	"fmt"
	"net/http"

	"github.com/go-json-experiment/json"

	"tandem/src/chassis/failure"
	"tandem/src/chassis/web"
	"tandem/src/users/client"
)

// createOrder returns the handler of POST /orders.
//
// A request can carry an Idempotency-Key, so that a client can safely send it
// again. The handler then does the following; the SQL is in idempotency.go:
//
//  1. readCreateOrder reads the key and the order and hashes the order.
//  2. findReplay looks for a response that is stored under the key. If there
//     is one, the handler sends it again and does not call the users service.
//  3. activeUser reads the user from the users service.
//  4. Store.CreateOnce inserts the order and stores the response under the key,
//     in one transaction. If a concurrent request with the same key has
//     committed first, it returns the response of that request.
//
// Only a 201 response is stored. After any other response the key can still be
// used. Without a key, the handler skips step 2 and only inserts the order.
func createOrder(store *Store, users *client.Client) web.Handler {
	return func(w http.ResponseWriter, r *http.Request) error {
		order, key, err := readCreateOrder(w, r)
		if err != nil {
			return err
		}
		created, err := replayOrCreate(r.Context(), store, users, order, key)
		if err != nil {
			return err
		}
		w.Header().Set("Location", fmt.Sprintf("/orders/%d", created.OrderID))
		if created.Replayed {
			w.Header().Set("Idempotency-Replayed", "true")
		}
		return web.RawJSON(w, http.StatusCreated, created.Body)
	}
}

// readCreateOrder reads and validates a POST /orders request. The key is the
// zero IdempotencyKey if the request has none.
func readCreateOrder(w http.ResponseWriter, r *http.Request) (NewOrder, IdempotencyKey, error) {
	key, invalid := readIdempotencyKey(r)
	body, err := web.ReadBody(w, r)
	if err != nil {
		return NewOrder{}, IdempotencyKey{}, err
	}
	order := NewOrder{
		UserID: body.Int("user_id"), Product: body.String("product"),
		Quantity: body.Int("quantity"), Price: body.Cents("price"),
	}
	return order, IdempotencyKey{Value: key, RequestHash: order.hash()}, body.Err(append(invalid, order.Validate()...))
}

// replayOrCreate returns the response that is stored under the key. If there is
// none, it creates the order and returns the new response.
func replayOrCreate(
	ctx context.Context, store *Store, users *client.Client, order NewOrder, key IdempotencyKey,
) (*CreatedResponse, error) {
	if replay, err := findReplay(ctx, store, key); replay != nil || err != nil {
		return replay, err
	}
	user, err := activeUser(ctx, users, order.UserID)
	if err != nil {
		// A concurrent request with the same key may have succeeded during this
		// call. Both requests must get the same response, so look again.
		if replay, _ := findReplay(ctx, store, key); replay != nil {
			return replay, nil
		}
		return nil, err
	}
	return insertAndEncode(ctx, store, user, order, key)
}

// findReplay returns the response that is stored under the key, or nil if there
// is none or the request has no key.
func findReplay(ctx context.Context, store *Store, key IdempotencyKey) (*CreatedResponse, error) {
	if key.Value == "" {
		return nil, nil
	}
	return store.FindResponse(ctx, key)
}

// activeUser returns the user with that ID. Its error is failure.Invalid if the
// user does not exist or is inactive, and carries the member
// service_communication.
func activeUser(ctx context.Context, users *client.Client, id int64) (client.User, error) {
	user, err := users.User(ctx, id)
	if callErr, ok := errors.AsType[*failure.Error](err); ok {
		if callErr.Code == failure.NotFound {
			callErr = failure.New(failure.Invalid, fmt.Sprintf("There is no user %d to order for.", id)).With("user_id", id)
		}
		return client.User{}, callErr.With("service_communication", communicationFailed)
	}
	if err == nil && !user.Active {
		err = failure.New(failure.Invalid, fmt.Sprintf("User %d is inactive and cannot order.", id)).
			With("user_id", id).With("service_communication", communicationSucceeded)
	}
	return user, err
}

// insertAndEncode stores the order and returns the response to its request. If
// the request has a key, the response is stored too.
func insertAndEncode(
	ctx context.Context, store *Store, user client.User, order NewOrder, key IdempotencyKey,
) (*CreatedResponse, error) {
	encode := func(created Order) ([]byte, error) {
		return json.Marshal(createOrderResponse{
			Order: toResponse(created), UserInfo: userInfo{Name: user.Name, Email: user.Email}, Communication: communicationSucceeded,
		})
	}
	if key.Value != "" {
		return store.CreateOnce(ctx, key, order, encode)
	}
	created, err := store.Create(ctx, order)
	if err != nil {
		return nil, err
	}
	body, err := encode(created)
	return &CreatedResponse{OrderID: created.ID, Body: body}, err
}
