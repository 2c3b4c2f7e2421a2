package main

import (
	"context"
	"errors"
	"io"
	"os"
	"runtime/pprof"

	"tandem/src/chassis/settings"
	"tandem/src/orders"
	"tandem/src/users"
)

// realUsers is the users service in this program, to be profiled.
func realUsers(ctx context.Context, getenv func(string) string, stdout io.Writer) error {
	var config users.Config
	if err := settings.Parse(users.Program(), &config, nil, getenv, stdout); err != nil {
		return err
	}
	return users.Run(ctx, config, getenv, stdout)
}

// realOrders is the orders service in this program, to be profiled.
func realOrders(ctx context.Context, getenv func(string) string, stdout io.Writer) error {
	var config orders.Config
	if err := settings.Parse(orders.Program(), &config, nil, getenv, stdout); err != nil {
		return err
	}
	return orders.Run(ctx, config, getenv, stdout)
}

// profiled runs f and writes, where a name is given, what it spent: CPU time to
// NAME.cpu and allocations to NAME.allocs, for go tool pprof.
func profiled(name string, f func() error) error {
	if name == "" {
		return f()
	}
	cpu, err := os.Create(name + ".cpu")
	if err != nil {
		return err
	}
	defer cpu.Close()
	if err := pprof.StartCPUProfile(cpu); err != nil {
		return err
	}
	err = f()
	pprof.StopCPUProfile()
	allocs, err2 := os.Create(name + ".allocs")
	if err2 != nil {
		return errors.Join(err, err2)
	}
	defer allocs.Close()
	return errors.Join(err, pprof.Lookup("allocs").WriteTo(allocs, 0))
}
