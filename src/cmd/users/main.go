// Command users runs the users service.
package main

import (
	"context"
	"io"
	"os"

	"tandem/src/chassis/lifecycle"
	"tandem/src/chassis/settings"
	"tandem/src/users"
)

func main() { os.Exit(lifecycle.Main(run)) }

func run(ctx context.Context, args []string, getenv func(string) string, stdout io.Writer) error {
	var config users.Config
	if err := settings.Parse(users.Program(), &config, args, getenv, stdout); err != nil {
		return err
	}
	return users.Run(ctx, config, getenv, stdout)
}
