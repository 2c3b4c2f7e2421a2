package orders

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"time"

	"tandem/src/chassis/httpclient"
	"tandem/src/chassis/lifecycle"
	"tandem/src/chassis/settings"
	"tandem/src/users/client"
)

// Config is what the service can be told.
type Config struct {
	settings.Service
	UsersURL settings.URL `default:"http://127.0.0.1:5001" schemes:"http,https" like:"http://users:5001" help:"Where the users service answers; calls are balanced over all addresses of the name."`
	UsersCalls
}

// UsersCalls are how orders calls users.
type UsersCalls struct {
	UsersTimeout    time.Duration `default:"900ms" min:"10ms" max:"1m" help:"Time for a call to users, all tries together."`
	UsersTryTimeout time.Duration `default:"400ms" min:"10ms" max:"1m" help:"Time for one try of a call to users."`
	UsersTestHooks
}

const (
	// firstUsersAnswer bounds how long a starting service waits for users: a
	// new pod is let through a NetworkPolicy about a second after its start.
	firstUsersAnswer = 3 * time.Second
	purgeInterval    = time.Hour
)

// Program describes the service to a person who asks for help.
func Program() settings.Program {
	return settings.Program{Name: "orders", About: "The orders service: what users have ordered.", Port: 5002}
}

// Run serves until the context ends; see lifecycle.Host.
func Run(ctx context.Context, config Config, getenv func(string) string, stdout io.Writer) error {
	host, err := lifecycle.New(ctx, serviceName, config.Service, getenv, stdout)
	if err != nil {
		return err
	}
	users, err := newClient(config, host)
	if err != nil {
		return err
	}
	// Before anybody can ask: the first answer already tells how users is.
	watching, stop := context.WithCancel(context.WithoutCancel(ctx))
	host.OnClose(func() error { stop(); users.Close(); return nil })
	host.Health.WatchDependency(watching, client.Service, users.Health)
	return host.Run(ctx, func(ctx context.Context) error { return start(ctx, config, host, users) })
}

func newClient(config Config, host *lifecycle.App) (*client.Client, error) {
	return client.New(httpclient.Config{
		BaseURL: config.UsersURL.URL, Timeout: config.UsersTimeout, AttemptTimeout: config.UsersTryTimeout,
		TestHooks: config.UsersTestHooks.client(host.Telemetry.Log),
		Tracer:    host.Telemetry.Tracer, Propagator: host.Telemetry.Propagator,
		Registry: host.Telemetry.Registry, Logger: host.Telemetry.Log,
	})
}

func start(ctx context.Context, config Config, host *lifecycle.App, users *client.Client) error {
	db, err := host.OpenDatabase(ctx, "orders", Migrations())
	if err != nil {
		return err
	}
	store := NewStore(db)
	if config.SeedDemoData {
		if err := store.Seed(ctx); err != nil {
			return err
		}
	}
	Routes(host.Router, store, users)
	go purgeKeys(ctx, store, host.Telemetry.Log)
	host.Telemetry.Log.Info("waiting for users to answer once", slog.String("at_most", firstUsersAnswer.String()))
	awaiting, cancel := context.WithTimeout(ctx, firstUsersAnswer)
	defer cancel()
	host.Health.Await(awaiting, client.Service)
	if errors.Is(awaiting.Err(), context.DeadlineExceeded) {
		host.Telemetry.Log.Warn("users has not answered, so orders starts without it", slog.String("address", config.UsersURL.String()))
	}
	return nil
}

// purgeKeys deletes expired keys, now and then every hour.
func purgeKeys(ctx context.Context, store *Store, log *slog.Logger) {
	ticker := time.NewTicker(purgeInterval)
	defer ticker.Stop()
	for {
		if err := store.PurgeKeys(ctx); err != nil && ctx.Err() == nil {
			log.Warn("expired idempotency keys were not purged", slog.String("error", err.Error()))
		}
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		}
	}
}
