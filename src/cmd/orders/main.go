// Command orders runs the orders service. "orders test" runs the smoke test of an installed
// release, "orders backup" copies its SQLite file.
package main

import (
	"context"
	"io"
	"os"

	"tandem/src/chassis/lifecycle"
	"tandem/src/chassis/settings"
	"tandem/src/orders"
)

func main() { os.Exit(lifecycle.Main(run)) }

func run(ctx context.Context, args []string, getenv func(string) string, stdout io.Writer) error {
	if len(args) > 0 && args[0] == "test" {
		return smokeTest(ctx, args[1:], getenv, stdout)
	}
	if len(args) > 0 && args[0] == "backup" {
		return lifecycle.Backup(ctx, "orders", args[1:], getenv, stdout)
	}
	var config orders.Config
	if err := settings.Parse(orders.Program(), &config, args, getenv, stdout); err != nil {
		return err
	}
	return orders.Run(ctx, config, getenv, stdout)
}

func smokeTest(ctx context.Context, args []string, getenv func(string) string, stdout io.Writer) error {
	var config orders.SmokeTestConfig
	if err := settings.Parse(orders.SmokeTestProgram(), &config, args, getenv, stdout); err != nil {
		return err
	}
	return orders.RunSmokeTest(ctx, config, stdout)
}
