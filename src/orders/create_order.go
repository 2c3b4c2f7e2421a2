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
// A client can send an Idempotency-Key with the order, and then repeat the
// request without creating a second order. The handler processes a request with
// a key in four steps (idempotency.go contains their SQL):
//
//  1. readCreateOrder reads the key and the order, and hashes the order.
//  2. findStoredResponse looks for a response that is stored under the key. If
//     there is one, the handler sends it again and skips the other steps.
//  3. activeUser reads the user from the users service.
//  4. Store.CreateOnce inserts the order and stores the response under the key,
//     in one transaction. If a concurrent request with the same key has
//     committed first, CreateOnce returns the response to that request.
//
// Only a 201 response is stored. A request that creates no order does not use up
// its key. For a request without a key, the handler skips step 2 and
// calls Store.Create in step 4, which only inserts the order.
func createOrder(store *Store, users *client.Client) web.Handler {
	return func(w http.ResponseWriter, r *http.Request) error {
		order, key, err := readCreateOrder(w, r)
		if err != nil {
			return err
		}
		response, err := replayOrCreate(r.Context(), store, users, order, key)
		if err != nil {
			return err
		}
		w.Header().Set("Location", fmt.Sprintf("/orders/%d", response.OrderID))
		if response.Replayed {
			w.Header().Set("Idempotency-Replayed", "true")
		}
		return web.RawJSON(w, http.StatusCreated, response.Body)
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
	if err := body.Err(append(invalid, order.Validate()...)); err != nil || key == "" {
		return order, IdempotencyKey{}, err
	}
	return order, IdempotencyKey{Value: key, RequestHash: order.hash()}, nil
}

// replayOrCreate returns the response that is stored under the key. If there is
// none, it creates the order and returns the new response.
func replayOrCreate(
	ctx context.Context, store *Store, users *client.Client, order NewOrder, key IdempotencyKey,
) (*CreatedResponse, error) {
	if stored, err := findStoredResponse(ctx, store, key); stored != nil || err != nil {
		return stored, err
	}
	user, err := activeUser(ctx, users, order.UserID)
	if err != nil {
		// A concurrent request with the same key may have succeeded during this
		// call. Both requests must get the same response, so look again.
		if stored, _ := findStoredResponse(ctx, store, key); stored != nil {
			return stored, nil
		}
		return nil, err
	}
	return insertForUser(ctx, store, user, order, key)
}

// findStoredResponse returns the response that is stored under the key, or nil
// if there is none or the request has no key.
func findStoredResponse(ctx context.Context, store *Store, key IdempotencyKey) (*CreatedResponse, error) {
	if key.Value == "" {
		return nil, nil
	}
	return store.FindResponse(ctx, key)
}

// activeUser reads a user from the users service. It returns failure.Invalid if
// the user does not exist or is inactive, and failure.Unavailable if the user
// cannot be read. The extension service_communication of the failure says whether
// the call succeeded.
func activeUser(ctx context.Context, users *client.Client, id int64) (client.User, error) {
	user, err := users.User(ctx, id)
	if failed, ok := errors.AsType[*failure.Error](err); ok {
		if failed.Code == failure.NotFound {
			failed = failure.New(failure.Invalid, fmt.Sprintf("The user %d does not exist, so the order is rejected.", id)).With("user_id", id)
		}
		return client.User{}, failed.With("service_communication", communicationFailed)
	}
	if err == nil && !user.Active {
		err = failure.New(failure.Invalid, fmt.Sprintf("The user %d is inactive, so the order is rejected.", id)).
			With("user_id", id).With("service_communication", communicationSucceeded)
	}
	return user, err
}

// insertForUser inserts an order for the user and returns the response, which
// contains both. If the request has a key, insertForUser also stores the
// response under the key.
func insertForUser(
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
