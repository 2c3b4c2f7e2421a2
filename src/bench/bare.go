package main

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strconv"
	"time"

	"github.com/go-json-experiment/json"

	"tandem/src/chassis/decimal"
	"tandem/src/orders"
	"tandem/src/users"
	"tandem/src/users/client"
)

// The bare services are the handlers of the details call on net/http alone,
// over the same stores and by the same JSON library: no middleware, telemetry,
// limits, deadlines, retries nor balancing.

// bareUsers answers GET /users/{id}.
func bareUsers(ctx context.Context, getenv func(string) string, _ io.Writer) error {
	db, err := environmentPlace(getenv).open(ctx, "users", users.Migrations())
	if err != nil {
		return err
	}
	defer db.Close()
	store := users.NewStore(db)
	return serveBare(ctx, getenv, "GET /users/{id}", func(w http.ResponseWriter, r *http.Request) error {
		id, err := strconv.ParseInt(r.PathValue("id"), 10, 64)
		if err != nil {
			return err
		}
		user, err := store.Get(r.Context(), id)
		if err != nil {
			return err
		}
		return answer(w, client.User(user))
	})
}

// bareDetails is the answer to the details call, as orders gives it.
type bareDetails struct {
	Order         bareOrder    `json:"order"`
	UserDetails   *client.User `json:"user_details"`
	Communication string       `json:"communication_status"`
}

type bareOrder struct {
	ID        int64         `json:"id"`
	UserID    int64         `json:"user_id"`
	Product   string        `json:"product"`
	Quantity  int64         `json:"quantity"`
	Price     decimal.Cents `json:"price"`
	Status    orders.Status `json:"status"`
	CreatedAt time.Time     `json:"created_at"`
}

// bareOrders answers GET /orders/{id}/details.
func bareOrders(ctx context.Context, getenv func(string) string, _ io.Writer) error {
	db, err := environmentPlace(getenv).open(ctx, "orders", orders.Migrations())
	if err != nil {
		return err
	}
	defer db.Close()
	store := orders.NewStore(db)
	// As many idle connections as orders keeps; net/http's default of two would
	// open a connection for most calls.
	peer := &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: 100}}
	return serveBare(ctx, getenv, "GET /orders/{id}/details", func(w http.ResponseWriter, r *http.Request) error {
		id, err := strconv.ParseInt(r.PathValue("id"), 10, 64)
		if err != nil {
			return err
		}
		order, err := store.Get(r.Context(), id)
		if err != nil {
			return err
		}
		user, err := ask(r.Context(), peer, fmt.Sprintf("%s/users/%d", getenv("USERS_URL"), order.UserID))
		if err != nil {
			return err
		}
		return answer(w, bareDetails{Order: bareOrder(order), UserDetails: user, Communication: "success"})
	})
}

func ask(ctx context.Context, peer *http.Client, address string) (*client.User, error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, address, nil)
	if err != nil {
		return nil, err
	}
	response, err := peer.Do(request)
	if err != nil {
		return nil, err
	}
	defer response.Body.Close()
	if response.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("users answered %d", response.StatusCode)
	}
	body, err := io.ReadAll(response.Body)
	if err != nil {
		return nil, err
	}
	var user client.User
	return &user, json.Unmarshal(body, &user)
}

func answer(w http.ResponseWriter, value any) error {
	text, err := json.Marshal(value)
	if err != nil {
		return err
	}
	w.Header().Set("Content-Type", "application/json")
	_, _ = w.Write(text) // that the caller is gone is nobody's error
	return nil
}

// serveBare serves one route until the context ends.
func serveBare(ctx context.Context, getenv func(string) string, pattern string, handle func(http.ResponseWriter, *http.Request) error) error {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /health", func(http.ResponseWriter, *http.Request) {})
	mux.HandleFunc(pattern, func(w http.ResponseWriter, r *http.Request) {
		if err := handle(w, r); err != nil {
			http.Error(w, err.Error(), http.StatusInternalServerError)
		}
	})
	server := &http.Server{Addr: net.JoinHostPort("127.0.0.1", getenv("PORT")), Handler: mux}
	context.AfterFunc(ctx, func() { _ = server.Close() })
	if err := server.ListenAndServe(); err != http.ErrServerClosed {
		return err
	}
	return nil
}

// environmentPlace is where DATA_DIR or DATABASE_URL say.
func environmentPlace(getenv func(string) string) place {
	if address, err := url.Parse(getenv("DATABASE_URL")); err == nil && address.Host != "" {
		return place{address: address}
	}
	return place{dir: getenv("DATA_DIR")}
}
