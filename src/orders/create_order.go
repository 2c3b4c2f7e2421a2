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

// createOrder answers POST /orders.
func createOrder(store *Store, users *client.Client) web.Handler {
	return func(w http.ResponseWriter, r *http.Request) error {
		order, request, err := readNewOrder(w, r)
		if err != nil {
			return err
		}
		answer, err := place(r.Context(), store, users, order, request)
		if err != nil {
			return err
		}
		w.Header().Set("Location", fmt.Sprintf("/orders/%d", answer.OrderID))
		if answer.Replayed {
			w.Header().Set("Idempotency-Replayed", "true")
		}
		return web.RawJSON(w, http.StatusCreated, answer.Body)
	}
}

func readNewOrder(w http.ResponseWriter, r *http.Request) (NewOrder, Request, error) {
	key, err := readKey(r)
	if err != nil {
		return NewOrder{}, Request{}, err
	}
	body, err := web.ReadBody(w, r)
	if err != nil {
		return NewOrder{}, Request{}, err
	}
	order := NewOrder{
		UserID: body.Int("user_id"), Product: body.String("product"),
		Quantity: body.Int("quantity"), Price: body.Cents("price"),
	}
	return order, Request{Key: key, Hash: order.hash()}, body.Err(order.Validate())
}

// place creates the order, or returns the answer that a request with the same
// key was given before, then without asking users.
func place(ctx context.Context, store *Store, users *client.Client, order NewOrder, request Request) (*Answer, error) {
	if answer, err := earlier(ctx, store, request); answer != nil || err != nil {
		return answer, err
	}
	user, err := orderingUser(ctx, users, order.UserID)
	if err != nil {
		// Meanwhile another request with the key may have found its user.
		if answer, _ := earlier(ctx, store, request); answer != nil {
			return answer, nil
		}
		return nil, err
	}
	return create(ctx, store, user, order, request)
}

// earlier is the answer that the request's key was given, if any.
func earlier(ctx context.Context, store *Store, request Request) (*Answer, error) {
	if request.Key == "" {
		return nil, nil
	}
	return store.Replay(ctx, request)
}

func create(ctx context.Context, store *Store, user client.User, order NewOrder, request Request) (*Answer, error) {
	encode := func(created Order) ([]byte, error) {
		return json.Marshal(placedAnswer{
			Order: wire(created), UserInfo: userInfo{Name: user.Name, Email: user.Email}, Communication: communicationSucceeded,
		})
	}
	if request.Key != "" {
		return store.CreateOnce(ctx, request, order, encode)
	}
	created, err := store.Create(ctx, order)
	if err != nil {
		return nil, err
	}
	body, err := encode(created)
	return &Answer{OrderID: created.ID, Body: body}, err
}

// orderingUser is the user of that id, who must be active.
func orderingUser(ctx context.Context, users *client.Client, id int64) (client.User, error) {
	user, err := users.User(ctx, id)
	if f, ok := errors.AsType[*failure.Error](err); ok {
		if f.Code == failure.NotFound {
			f = failure.New(failure.Invalid, fmt.Sprintf("There is no user %d to order for.", id)).With("user_id", id)
		}
		return client.User{}, f.With("service_communication", communicationFailed)
	}
	if err == nil && !user.Active {
		err = failure.New(failure.Invalid, fmt.Sprintf("User %d is inactive and cannot order.", id)).
			With("user_id", id).With("service_communication", communicationSucceeded)
	}
	return user, err
}
