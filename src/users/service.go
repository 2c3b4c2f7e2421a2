package users

import (
	"context"
	"io"

	"tandem/src/chassis/lifecycle"
	"tandem/src/chassis/settings"
	"tandem/src/users/client"
)

// Config is what the service can be told.
type Config struct{ settings.Service }

// Program describes the service to a person who asks for help.
func Program() settings.Program {
	return settings.Program{Name: "users", About: "The users service: who can place orders.", Port: 5001}
}

// Run serves until the context ends; see lifecycle.Host.
func Run(ctx context.Context, config Config, getenv func(string) string, stdout io.Writer) error {
	host, err := lifecycle.New(ctx, client.Service, config.Service, getenv, stdout)
	if err != nil {
		return err
	}
	return host.Run(ctx, func(ctx context.Context) error {
		db, err := host.OpenDatabase(ctx, "users", Migrations())
		if err != nil {
			return err
		}
		store := NewStore(db)
		if config.SeedDemoData {
			if err := store.Seed(ctx); err != nil {
				return err
			}
		}
		Routes(host.Router, store)
		return nil
	})
}
