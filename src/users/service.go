package users

import (
	"context"
	"io"

	"tandem/src/chassis/lifecycle"
	"tandem/src/chassis/settings"
	"tandem/src/users/client"
)

// Config are the settings of the service.
type Config struct{ settings.Service }

// Program describes the program users in its help text.
func Program() settings.Program {
	return settings.Program{Name: "users", About: "The users service: stores the users who can place orders.", Port: 5001}
}

// Run runs the service until ctx is cancelled; see lifecycle.App.
func Run(ctx context.Context, config Config, getenv func(string) string, stdout io.Writer) error {
	app, err := lifecycle.New(ctx, client.Service, config.Service, getenv, stdout)
	if err != nil {
		return err
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
		Routes(app.Router, store)
		return nil
	})
}
