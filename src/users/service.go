package users

import (
	"context"
	"io"

	"tandem/src/chassis/lifecycle"
	"tandem/src/chassis/settings"
	"tandem/src/users/client"
)

// Config holds the settings of the users service.
type Config struct{ settings.Service }

// Program describes the users program for its help text.
func Program() settings.Program {
	return settings.Program{Name: "users", About: "The users service: stores the users who can place orders.", Port: 5001}
}

// Run runs the service until ctx is cancelled; see lifecycle.App.
func Run(ctx context.Context, config Config, getenv func(string) string, stdout io.Writer) error {
	app, err := lifecycle.New(ctx, client.ServiceName, config.Service, getenv, stdout)
	if err != nil {
		return err
	}
	return app.Run(ctx, func(ctx context.Context) error {
		db, err := app.OpenDatabase(ctx, "users", Migrations())
		if err != nil {
			return err
		}
		store := NewStore(db)
		if config.SeedDemoData {
			if err := store.Seed(ctx); err != nil {
				return err
			}
		}
		Routes(app.Router, store)
		return nil
	})
}
