// Command users runs the users service. "users test" runs the smoke test of an installed
// release, "users backup" copies its SQLite file.
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
	if len(args) > 0 && args[0] == "test" {
		return smokeTest(ctx, args[1:], getenv, stdout)
	}
	if len(args) > 0 && args[0] == "backup" {
		return lifecycle.Backup(ctx, "users", args[1:], getenv, stdout)
	}
	var config users.Config
	if err := settings.Parse(users.Program(), &config, args, getenv, stdout); err != nil {
		return err
	}
	return users.Run(ctx, config, getenv, stdout)
}

func smokeTest(ctx context.Context, args []string, getenv func(string) string, stdout io.Writer) error {
	var config users.SmokeTestConfig
	if err := settings.Parse(users.SmokeTestProgram(), &config, args, getenv, stdout); err != nil {
		return err
	}
	return users.RunSmokeTest(ctx, config, stdout)
}
