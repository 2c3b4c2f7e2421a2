package main

import (
	"context"
	"fmt"
	"strconv"
	"strings"
	"time"
)

const (
	starts    = 5
	mostStart = 200 // milliseconds
	mostRSS   = 30  // megabytes
)

// start measures how long services with an existing store take from their exec
// until they are ready, and the memory they hold while nobody asks them.
func start(ctx context.Context, l *lab) ([]row, error) {
	data, err := l.detailsData(ctx)
	if err != nil {
		return nil, err
	}
	program := l.released(data, data)
	var users, orders []float64
	for range starts {
		pair, err := program.start(ctx)
		if err != nil {
			return nil, err
		}
		users = append(users, float64(pair.users.took.Milliseconds()))
		orders = append(orders, float64(pair.orders.took.Milliseconds()))
		pair.stop()
	}
	memory, err := l.idleMemory(ctx, program)
	return append([]row{
		atMost("start of users to ready", median(users), mostStart, " ms", ""),
		atMost("start of orders to ready", median(orders), mostStart, " ms", ""),
	}, memory...), err
}

func (l *lab) idleMemory(ctx context.Context, program program) ([]row, error) {
	pair, err := program.start(ctx)
	if err != nil {
		return nil, err
	}
	defer pair.stop()
	select {
	case <-ctx.Done():
		return nil, ctx.Err()
	case <-time.After(l.idle):
	}
	return []row{pair.users.memory("memory of idle users (RSS)", mostRSS), pair.orders.memory("memory of idle orders (RSS)", mostRSS)}, nil
}

// memory is the row of what a process holds, where the system tells it as
// Linux does.
func (p *process) memory(what string, most float64) row {
	held := field(fmt.Sprintf("/proc/%d/status", p.command.Process.Pid), "VmRSS")
	kilobytes, err := strconv.ParseFloat(strings.TrimSuffix(held, " kB"), 64)
	if err != nil {
		return note(what, "not known on this system")
	}
	return atMost(what, kilobytes*1024/1e6, most, " MB", "")
}
