package main

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"

	"tandem/src/orders"
)

// post compares POST /orders, through both services, with the engine's commit
// limit at the same concurrency.
//
// The commit limit is the number of durable transactions per second when each
// inserts one row of the size of an order. There are as many clients as in the
// load. Each executes a prepared INSERT into a table that has the columns of an
// order and a primary key, but no other index, trigger or table. What the
// orders service adds (three indexes, the sums of the statistics, fewer
// connections than clients) counts as its cost. SQLite has one writer at a
// time, so one connection is the best that the clients can have there. The
// transactions of both contenders are equally durable.
//
// Two rows show the store of the orders service without HTTP and without the
// call to users: as it is and, as a control, with a commit for each order.
func (e engine) measurePost(ctx context.Context, h *harness) ([]row, error) {
	what := "POST /orders on " + e.name
	s, err := e.startFilled(ctx, h, h.profiled(h.current.deployment(h.collector), "post-"+strings.ToLower(e.name)), fillForPost)
	if errors.Is(err, errNoPostgres) {
		return []row{note(what, "%v", err)}, nil
	} else if err != nil {
		return nil, err
	}
	defer s.stop()
	insert, closePool, err := e.commitLimit(ctx, h)
	if err != nil {
		return nil, err
	}
	defer func() { _ = closePool() }()
	contenders := []contender{{run: h.callInLoop(insert)}, s.contender(postLoad(s, h.roundDuration))}
	for _, commitAlone := range []bool{false, true} {
		create, closeStore, err := e.storeAlone(ctx, h, commitAlone)
		if err != nil {
			return nil, err
		}
		defer func() { _ = closeStore() }()
		contenders = append(contenders, contender{run: h.callInLoop(create)})
	}
	rounds, err := h.alternate(ctx, contenders...)
	if err != nil {
		return nil, err
	}
	return e.post.rows(what, rounds[0], rounds[1], rounds[2], rounds[3]), nil
}

// postBounds are the least throughputs, as shares of the commit limit.
type postBounds struct {
	served float64 // through both services
	store  float64 // of the store alone; 0 for no bound
}

// fillForPost inserts users and no orders.
func fillForPost(ctx context.Context, users, _ storage) error {
	return users.fillUsers(ctx, detailUsers)
}

func (b postBounds) rows(what string, limit, served, store, alone []result) []row {
	rows := []row{atLeast(what+": throughput ÷ commit limit", medianRatio(served, limit, result.rate), b.served, failures(served, limit))}
	ofStore := what + ": throughput of the store without HTTP ÷ commit limit"
	if b.store > 0 {
		rows = append(rows, atLeast(ofStore, medianRatio(store, limit, result.rate), b.store, failures(store)))
	} else {
		rows = append(rows, note(ofStore, "%.2f", medianRatio(store, limit, result.rate)).withFailures(failures(store)))
	}
	control := note(ofStore+", each order with a commit of its own (control)", "%.2f", medianRatio(alone, limit, result.rate))
	return append(rows, control.withFailures(failures(alone)),
		note(what+": absolute values", "commit limit %.0f/s; service %.0f/s, p99 %.1f ms; its store without HTTP %.0f/s",
			medianOf(limit, result.rate), medianOf(served, result.rate), medianOf(served, result.p99), medianOf(store, result.rate)))
}

func postLoad(s *services, d time.Duration) load {
	l := load{Address: s.orders.address, Want: http.StatusCreated, Connections: connections, Duration: d}
	for i := range detailUsers {
		body := fmt.Sprintf(`{"user_id": %d, "product": "Notebook", "quantity": 2, "price": 899.99}`, i+1)
		l.Requests = append(l.Requests, postRequest("/orders", body))
	}
	return l
}

// callInLoop returns a round in which as many clients as a load has call a
// function again and again, without HTTP.
func (h *harness) callInLoop(call func(context.Context) error) func(context.Context) (result, error) {
	return func(ctx context.Context) (result, error) {
		client := func(round context.Context, _ time.Time, _ int) result {
			r := newResult(http.StatusCreated)
			for round.Err() == nil {
				start, key := time.Now(), r.Want
				if call(ctx) != nil { // the end of the round does not cancel a call
					key = noResponse
				}
				r.add(key, time.Since(start))
			}
			return r
		}
		return runClients(ctx, connections, h.roundDuration, http.StatusCreated, client), ctx.Err()
	}
}

// storeAlone returns a function that creates an order as the handler does, in
// new storage. With commitAlone, orders do not share commits.
func (e engine) storeAlone(
	ctx context.Context, h *harness, commitAlone bool,
) (create func(context.Context) error, closeStore func() error, err error) {
	storage, err := e.newStorage(ctx, h)
	if err != nil {
		return nil, nil, err
	}
	storage.commitAlone = commitAlone
	db, err := storage.open(ctx, "orders", orders.Migrations())
	if err != nil {
		return nil, nil, err
	}
	store := orders.NewStore(db)
	order := orders.NewOrder{UserID: 1, Product: "Notebook", Quantity: 2, Price: 899_99}
	create = func(ctx context.Context) error {
		_, err := store.Create(ctx, order)
		return err
	}
	return create, db.Close, nil
}

// commitLimit returns a function that inserts one row, in new storage.
func (e engine) commitLimit(ctx context.Context, h *harness) (insert func(context.Context) error, closePool func() error, err error) {
	storage, err := e.newStorage(ctx, h)
	if err != nil {
		return nil, nil, err
	}
	pool, err := storage.openPool("limit")
	if err != nil {
		return nil, nil, err
	}
	key, size := "INTEGER PRIMARY KEY", 1
	if storage.url != nil {
		key, size = "BIGINT GENERATED BY DEFAULT AS IDENTITY PRIMARY KEY", connections
	}
	pool.SetMaxOpenConns(size)
	pool.SetMaxIdleConns(size)
	insert, err = createLimitTable(ctx, pool, key)
	if err != nil {
		return nil, nil, errors.Join(err, pool.Close())
	}
	return insert, pool.Close, nil
}

// createLimitTable creates a table with the columns of an order and returns a
// function that inserts one row.
func createLimitTable(ctx context.Context, pool *sql.DB, key string) (func(context.Context) error, error) {
	const columns = "user_id BIGINT NOT NULL, product TEXT NOT NULL, quantity BIGINT NOT NULL," +
		" price_cents BIGINT NOT NULL, status TEXT NOT NULL, created_at TIMESTAMP NOT NULL"
	if _, err := pool.ExecContext(ctx, "CREATE TABLE commit_limit (id "+key+", "+columns+")"); err != nil {
		return nil, err
	}
	insert, err := pool.PrepareContext(ctx, //nolint:sqlclosecheck // closed together with the pool
		"INSERT INTO commit_limit (user_id, product, quantity, price_cents, status, created_at) VALUES ($1, $2, $3, $4, $5, $6)")
	if err != nil {
		return nil, err
	}
	return func(ctx context.Context) error {
		_, err := insert.ExecContext(ctx, 1, "Notebook", 2, 899_99, "pending", time.Now().UTC())
		return err
	}, nil
}
