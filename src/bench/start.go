package main

import (
	"context"
	"time"
)

const (
	startCount       = 5
	maxStartMillis   = 200
	maxIdleMegabytes = 30
)

// start measures the time that services with an existing store take from exec
// to ready, and the memory that they use when idle.
func start(ctx context.Context, h *harness) ([]row, error) {
	d, err := h.withDetailsData(ctx, h.current.deployment(h.collector))
	if err != nil {
		return nil, err
	}
	var users, orders []float64
	for range startCount {
		s, err := d.start(ctx)
		if err != nil {
			return nil, err
		}
		users = append(users, float64(s.users.startupTime.Milliseconds()))
		orders = append(orders, float64(s.orders.startupTime.Milliseconds()))
		s.stop()
	}
	memory, err := h.idleMemory(ctx, d)
	return append([]row{
		atMost("start of users until ready", median(users), maxStartMillis, " ms", ""),
		atMost("start of orders until ready", median(orders), maxStartMillis, " ms", ""),
	}, memory...), err
}

func (h *harness) idleMemory(ctx context.Context, d deployment) ([]row, error) {
	s, err := d.start(ctx)
	if err != nil {
		return nil, err
	}
	defer s.stop()
	select {
	case <-ctx.Done():
		return nil, ctx.Err()
	case <-time.After(h.idleDuration):
	}
	return []row{
		s.users.memory("memory of idle users (RSS)", maxIdleMegabytes),
		s.orders.memory("memory of idle orders (RSS)", maxIdleMegabytes),
	}, nil
}
