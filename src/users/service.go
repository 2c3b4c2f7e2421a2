package users

import (
	"context"
	"io"

	"tandem/src/chassis/lifecycle"
	"tandem/src/chassis/settings"
	"tandem/src/console"
	"tandem/src/users/client"
)

// Config are the settings of the service.
type Config struct {
	settings.Service
	Settings
}

// Settings are the settings of this service alone; there are none yet. The
// program tandem, which runs both services, has them too.
type Settings struct{}

// Program describes the users program for its help text.
func Program() settings.Program {
	return settings.Program{
		Name: "users", About: "The users service: stores the users who can place orders.", Port: 5001,
		Commands: `"users test" checks over HTTP that an installed release works; "users test -h" lists its settings. ` +
			`"users backup -" writes a consistent copy of the SQLite file to stdout, also while users runs.`,
	}
}

// Run runs the service until ctx is cancelled; see lifecycle.App.
func Run(ctx context.Context, config Config, getenv func(string) string, stdout io.Writer) error {
	app, err := lifecycle.New(ctx, client.ServiceName, config.Service, getenv, stdout)
	if err != nil {
		return err
	}
	if config.Console {
		err := console.Register(app.Router, console.Console{Service: client.ServiceName, TraceURL: config.ConsoleTraceURL, OpenAPI: openapi})
		if err != nil {
			return err
		}
	}
	return app.Run(ctx, func(ctx context.Context) error {
		db, err := app.OpenDatabase(ctx, "users", Migrations())
		if err != nil {
			return err
		}
		store := NewStore(db)
		if err := store.FoldEmails(ctx, app.Telemetry.Log); err != nil {
			return err
		}
		if config.SeedDemoData {
			if err := store.Seed(ctx); err != nil {
				return err
			}
		}
		Routes(app.Router, store, app.Telemetry.Registry)
		return nil
	})
}
