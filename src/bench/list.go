package main

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"net/http"
)

const (
	few = 1_000 // orders in a small store
	// listUsers is how many users those have: so few that in both stores a user
	// has a page full of orders of each status, and answers are equally long.
	listUsers   = 10
	filterLimit = 25
	// listConnections keep the services busy without a queue, so that what is
	// measured is how long an answer takes, not how long it waits.
	listConnections = 4
)

// list compares lists and statistics of a large store with those of a small one.
func list(ctx context.Context, l *lab, kind string, where func(context.Context) (place, error)) ([]row, error) {
	var pairs []*pair
	for _, n := range []int{few, l.many} {
		ordersAt, err := where(ctx)
		if errors.Is(err, errNoPostgres) {
			return []row{note("lists on "+kind, "%v", err)}, nil
		}
		usersAt, usersErr := l.sqlite(ctx)
		if err := errors.Join(err, usersErr, ordersAt.fillOrders(ctx, n, listUsers)); err != nil {
			return nil, err
		}
		pair, err := l.released(usersAt, ordersAt).start(ctx)
		if err != nil {
			return nil, err
		}
		defer pair.stop()
		pairs = append(pairs, pair)
	}
	return l.listRows(ctx, kind, pairs[0], pairs[1])
}

func (l *lab) listRows(ctx context.Context, kind string, small, large *pair) ([]row, error) {
	var rows []row
	for _, q := range queries() {
		of := func(p *pair, n int) side {
			return on(load{
				Address: p.orders.address, Want: http.StatusOK, Requests: q.requests(n), Connections: listConnections, For: l.round / 3,
			})
		}
		rounds, err := l.alternate(ctx, of(small, few), of(large, l.many))
		if err != nil {
			return nil, err
		}
		s, b := rounds[0], rounds[1]
		r := atMost(fmt.Sprintf("%s on %s, p99 with %d orders ÷ with %d", q.name, kind, l.many, few), ratio(b, s, result.p99), 2, "", failures(append(s, b...)))
		r.figure += fmt.Sprintf(" (%.1f ÷ %.1f ms)", middle(b, result.p99), middle(s, result.p99))
		rows = append(rows, r)
	}
	return rows, nil
}

// query is something to ask a store of n orders.
type query struct {
	name     string
	requests func(n int) [][]byte
}

func queries() []query {
	one := func(path string) func(int) [][]byte {
		return func(int) [][]byte { return [][]byte{get(path)} }
	}
	return []query{
		{"first page", one("/orders")},
		{"page in the middle", middlePages},
		{"filter by user and status", filtered},
		{"statistics", one("/orders/stats")},
	}
}

// middlePages are full pages from all over the store.
func middlePages(n int) (requests [][]byte) {
	const pages = 64
	for i := range pages {
		after := 1 + (n-101)*i/pages
		cursor := base64.RawURLEncoding.EncodeToString(fmt.Appendf(nil, "after:%d", after))
		requests = append(requests, get("/orders?cursor="+cursor))
	}
	return requests
}

func filtered(int) (requests [][]byte) {
	for user := 1; user <= listUsers; user++ {
		for _, status := range []string{"pending", "shipped", "completed", "cancelled"} {
			requests = append(requests, get(fmt.Sprintf("/orders?user_id=%d&status=%s&limit=%d", user, status, filterLimit)))
		}
	}
	return requests
}
