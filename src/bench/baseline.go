package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strconv"
	"time"

	"github.com/go-json-experiment/json"

	"tandem/src/chassis/decimal"
	"tandem/src/orders"
	"tandem/src/users"
	"tandem/src/users/client"
)

// The baseline services are the handlers of the details call on plain net/http,
// with the same stores and the same JSON library. They have no middleware,
// telemetry, limits, deadlines, retries or load balancing.

// baselineUsers serves GET /users/{id}.
func baselineUsers(ctx context.Context, getenv func(string) string, _ io.Writer) error {
	db, err := storageFromEnv(getenv).open(ctx, "users", users.Migrations())
	if err != nil {
		return err
	}
	defer db.Close()
	store := users.NewStore(db)
	return serveBaseline(ctx, getenv, "GET /users/{id}", func(w http.ResponseWriter, r *http.Request) error {
		id, err := strconv.ParseInt(r.PathValue("id"), 10, 64)
		if err != nil {
			return err
		}
		user, err := store.Get(r.Context(), id)
		if err != nil {
			return err
		}
		return writeJSON(w, client.User(user))
	})
}

// detailsResponse is the body of the details call, as orders writes it.
type detailsResponse struct {
	Order         orderResponse `json:"order"`
	UserDetails   *client.User  `json:"user_details"`
	Communication string        `json:"communication_status"`
}

type orderResponse struct {
	ID        int64         `json:"id"`
	UserID    int64         `json:"user_id"`
	Product   string        `json:"product"`
	Quantity  int64         `json:"quantity"`
	Price     decimal.Cents `json:"price"`
	Status    orders.Status `json:"status"`
	CreatedAt time.Time     `json:"created_at"`
}

// baselineOrders serves GET /orders/{id}/details.
func baselineOrders(ctx context.Context, getenv func(string) string, _ io.Writer) error {
	db, err := storageFromEnv(getenv).open(ctx, "orders", orders.Migrations())
	if err != nil {
		return err
	}
	defer db.Close()
	store := orders.NewStore(db)
	// This is as many idle connections as orders keeps. With net/http's default
	// of two, most calls would open a connection.
	httpClient := &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: 100}}
	return serveBaseline(ctx, getenv, "GET /orders/{id}/details", func(w http.ResponseWriter, r *http.Request) error {
		id, err := strconv.ParseInt(r.PathValue("id"), 10, 64)
		if err != nil {
			return err
		}
		order, err := store.Get(r.Context(), id)
		if err != nil {
			return err
		}
		user, err := getUser(r.Context(), httpClient, fmt.Sprintf("%s/users/%d", getenv("USERS_URL"), order.UserID))
		if err != nil {
			return err
		}
		return writeJSON(w, detailsResponse{Order: orderResponse(order), UserDetails: user, Communication: "success"})
	})
}

func getUser(ctx context.Context, httpClient *http.Client, url string) (*client.User, error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return nil, err
	}
	response, err := httpClient.Do(request)
	if err != nil {
		return nil, err
	}
	defer response.Body.Close()
	if response.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("users responded with status %d", response.StatusCode)
	}
	body, err := io.ReadAll(response.Body)
	if err != nil {
		return nil, err
	}
	var user client.User
	return &user, json.Unmarshal(body, &user)
}

func writeJSON(w http.ResponseWriter, value any) error {
	body, err := json.Marshal(value)
	if err != nil {
		return err
	}
	w.Header().Set("Content-Type", "application/json")
	_, _ = w.Write(body) // fails only if the client has disconnected
	return nil
}

// serveBaseline serves one route, and /health, until ctx ends.
func serveBaseline(
	ctx context.Context, getenv func(string) string, pattern string, handle func(http.ResponseWriter, *http.Request) error,
) error {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /health", func(http.ResponseWriter, *http.Request) {})
	mux.HandleFunc(pattern, func(w http.ResponseWriter, r *http.Request) {
		if err := handle(w, r); err != nil {
			http.Error(w, err.Error(), http.StatusInternalServerError)
		}
	})
	server := &http.Server{Addr: net.JoinHostPort("127.0.0.1", getenv("PORT")), Handler: mux}
	context.AfterFunc(ctx, func() { _ = server.Close() })
	if err := server.ListenAndServe(); !errors.Is(err, http.ErrServerClosed) {
		return err
	}
	return nil
}
