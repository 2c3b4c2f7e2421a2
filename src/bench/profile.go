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

// profiledUsers runs the users service in this program, which can write
// profiles; the released binaries cannot.
func profiledUsers(ctx context.Context, getenv func(string) string, stdout io.Writer) error {
	var config users.Config
	if err := settings.Parse(users.Program(), &config, nil, getenv, stdout); err != nil {
		return err
	}
	return users.Run(ctx, config, getenv, stdout)
}

// profiledOrders runs the orders service in this program.
func profiledOrders(ctx context.Context, getenv func(string) string, stdout io.Writer) error {
	var config orders.Config
	if err := settings.Parse(orders.Program(), &config, nil, getenv, stdout); err != nil {
		return err
	}
	return orders.Run(ctx, config, getenv, stdout)
}

// withProfiles runs f and writes a CPU profile to PREFIX.cpu and an allocation
// profile to PREFIX.allocs, for "go tool pprof". With an empty prefix it only
// runs f.
func withProfiles(prefix string, f func() error) error {
	if prefix == "" {
		return f()
	}
	cpu, err := os.Create(prefix + ".cpu")
	if err != nil {
		return err
	}
	defer cpu.Close()
	if err := pprof.StartCPUProfile(cpu); err != nil {
		return err
	}
	err = f()
	pprof.StopCPUProfile()
	allocs, createErr := os.Create(prefix + ".allocs")
	if createErr != nil {
		return errors.Join(err, createErr)
	}
	defer allocs.Close()
	return errors.Join(err, pprof.Lookup("allocs").WriteTo(allocs, 0))
}
