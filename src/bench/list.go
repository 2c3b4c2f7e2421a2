package main

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"time"

	"tandem/src/chassis/web"
)

const (
	smallStore = 1_000 // number of orders in a small store
	// listUsers is the number of users that the orders of a store belong to. It
	// is so small that, in both stores, each user has a full page of orders of
	// each status. So the responses of both stores have the same size.
	listUsers   = 10
	filterLimit = 25
	// listConnections keep the services busy but let no request queue, so the
	// latency does not include waiting time.
	listConnections = 4
)

// list compares lists and statistics of a large store with those of a small one.
func (e engine) list(ctx context.Context, h *harness) (rows []row, err error) {
	var all []*services
	defer func() { stopAll(all) }()
	for _, n := range []int{smallStore, h.largeStore} {
		s, err := e.startFilled(ctx, h, h.current.deployment(h.collector), fillForList(n))
		if errors.Is(err, errNoPostgres) {
			return []row{note("lists on "+e.name, "%v", err)}, nil
		} else if err != nil {
			return nil, err
		}
		all = append(all, s)
	}
	for _, q := range listQueries() {
		r, err := e.listRow(ctx, h, q, all[0], all[1])
		if err != nil {
			return nil, err
		}
		rows = append(rows, r)
	}
	return rows, nil
}

// fillForList inserts n orders and no users.
func fillForList(n int) fillFunc {
	return func(ctx context.Context, _, orders storage) error { return orders.fillOrders(ctx, n, listUsers) }
}

func (e engine) listRow(ctx context.Context, h *harness, q listQuery, small, large *services) (row, error) {
	rounds, err := h.alternate(ctx,
		small.contender(q.load(small, smallStore, h.roundDuration/3)),
		large.contender(q.load(large, h.largeStore, h.roundDuration/3)))
	if err != nil {
		return row{}, err
	}
	smallRounds, largeRounds := rounds[0], rounds[1]
	what := fmt.Sprintf("%s on %s: p99 with %d orders ÷ with %d", q.name, e.name, h.largeStore, smallStore)
	r := atMost(what, medianRatio(largeRounds, smallRounds, result.p99), 2, "", failures(smallRounds, largeRounds))
	r.value += fmt.Sprintf(" (%.1f ÷ %.1f ms)", medianOf(largeRounds, result.p99), medianOf(smallRounds, result.p99))
	return r, nil
}

// listQuery is a kind of request to a store of n orders.
type listQuery struct {
	name     string
	requests func(n int) [][]byte
}

// load returns the load of the query on services that have n orders.
func (q listQuery) load(s *services, n int, d time.Duration) load {
	return load{Address: s.orders.address, Want: http.StatusOK, Requests: q.requests(n), Connections: listConnections, Duration: d}
}

func listQueries() []listQuery {
	always := func(path string) func(int) [][]byte {
		return func(int) [][]byte { return [][]byte{getRequest(path)} }
	}
	return []listQuery{
		{"first page", always("/orders")},
		{"page in the middle", middlePages},
		{"filter by user and status", filteredPages},
		{"statistics", always("/orders/stats")},
	}
}

// middlePages returns requests for full pages from all parts of the store.
func middlePages(n int) (requests [][]byte) {
	const pages = 64
	for i := range pages {
		after := 1 + (n-101)*i/pages
		requests = append(requests, getRequest("/orders?cursor="+web.Cursor(int64(after))))
	}
	return requests
}

// filteredPages returns a request for each pair of a user and a status.
func filteredPages(int) (requests [][]byte) {
	for user := 1; user <= listUsers; user++ {
		for _, status := range []string{"pending", "shipped", "completed", "cancelled"} {
			requests = append(requests, getRequest(fmt.Sprintf("/orders?user_id=%d&status=%s&limit=%d", user, status, filterLimit)))
		}
	}
	return requests
}
