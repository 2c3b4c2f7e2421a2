package main

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"path/filepath"
	"time"
)

const (
	connections  = 32
	detailUsers  = 1_000
	detailOrders = 10_000
)

// details compares the details call through both services, all telemetry on,
// with the same handlers on bare net/http.
func details(ctx context.Context, l *lab) ([]row, error) {
	exported := l.collector.batches.Load()
	pairs, stop, err := l.detailsPairs(ctx, l.detailsPrograms()...)
	if err != nil {
		return nil, err
	}
	defer stop()
	var sides []side
	for _, pair := range pairs {
		sides = append(sides, pair.counted(on(detailsLoad(pair, l.round))))
	}
	rounds, err := l.alternate(ctx, sides...)
	if err != nil {
		return nil, err
	}
	stop() // the last traces are exported by then
	if l.collector.batches.Load() == exported {
		return nil, errors.New("no trace was exported, so tracing was not measured")
	}
	return append(detailsRows(rounds[0], rounds[1], rounds[2]), costRow(pairs[0], pairs[1], pairs[2])), nil
}

// detailsPrograms are the bare services, the real ones with all telemetry on,
// and the real ones without an endpoint for traces.
func (l *lab) detailsPrograms() []program {
	bare := program{users: self("bare-users"), orders: self("bare-orders")}
	complete, untraced := l.released(place{}, place{}), l.released(place{}, place{})
	untraced.env = nil
	if l.profiles == "" {
		return []program{bare, complete, untraced}
	}
	complete.users, complete.orders = self("users"), self("orders")
	bare.profiles = filepath.Join(l.profiles, "bare")
	complete.profiles = filepath.Join(l.profiles, "complete")
	return []program{bare, complete, untraced}
}

// detailsPairs starts programs, each on data of its own: one process at a time
// has a SQLite file open. They end by stop.
func (l *lab) detailsPairs(ctx context.Context, programs ...program) (pairs []*pair, stop func(), err error) {
	stop = func() {
		for _, pair := range pairs {
			pair.stop()
		}
	}
	for _, program := range programs {
		pair, err := l.detailsPair(ctx, program)
		if err != nil {
			stop()
			return nil, nil, err
		}
		pairs = append(pairs, pair)
	}
	return pairs, stop, nil
}

func (l *lab) detailsPair(ctx context.Context, program program) (*pair, error) {
	data, err := l.detailsData(ctx)
	if err != nil {
		return nil, err
	}
	program.usersAt, program.ordersAt = data, data
	return program.start(ctx)
}

// detailsData is a place with users and their orders.
func (l *lab) detailsData(ctx context.Context) (place, error) {
	p, err := l.sqlite(ctx)
	if err != nil {
		return p, err
	}
	return p, errors.Join(p.fillUsers(ctx, detailUsers), p.fillOrders(ctx, detailOrders, detailUsers))
}

func detailsLoad(p *pair, d time.Duration) load {
	l := load{Address: p.orders.address, Want: http.StatusOK, Refuse: []byte(`"failed"`), Connections: connections, For: d}
	for id := range detailOrders {
		l.Requests = append(l.Requests, get(fmt.Sprintf("/orders/%d/details", 1+id*7919%detailOrders)))
	}
	return l
}

// costRow tells the processor time of a call, which other programs on the
// machine change less than they change its throughput.
func costRow(bare, complete, untraced *pair) row {
	return note("details call, processor time of both services", "bare %.0f µs; complete %.0f µs (bare is %.2f of it); without an endpoint for traces %.0f µs",
		bare.cost(), complete.cost(), bare.cost()/complete.cost(), untraced.cost())
}

func detailsRows(bare, complete, untraced []result) []row {
	const what = "details call, "
	return []row{
		atLeast(what+"throughput ÷ bare net/http", ratio(complete, bare, result.rate), 0.75, failures(append(complete, bare...))),
		atMost(what+"p99 ÷ bare net/http", ratio(complete, bare, result.p99), 1.5, "", ""),
		note(what+"without an endpoint for traces", "throughput %.2f, p99 %.2f%s",
			ratio(untraced, bare, result.rate), ratio(untraced, bare, result.p99), inBrackets(failures(untraced))),
		note(what+"in figures", "bare %.0f/s, p99 %.1f ms; complete %.0f/s, p99 %.1f ms",
			middle(bare, result.rate), middle(bare, result.p99), middle(complete, result.rate), middle(complete, result.p99)),
	}
}
