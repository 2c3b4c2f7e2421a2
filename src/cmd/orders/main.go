// Command orders runs the orders service.
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
	var config orders.Config
	if err := settings.Parse(orders.Program(), &config, args, getenv, stdout); err != nil {
		return err
	}
	return orders.Run(ctx, config, getenv, stdout)
}
