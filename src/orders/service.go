package orders

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"time"

	semconv "go.opentelemetry.io/otel/semconv/v1.43.0"

	"tandem/src/chassis/httpclient"
	"tandem/src/chassis/lifecycle"
	"tandem/src/chassis/settings"
	"tandem/src/users/client"
)

// Config are the settings of the service.
type Config struct {
	settings.Service
	UsersURL settings.URL `default:"http://127.0.0.1:5001" schemes:"http,https" like:"http://users:5001" help:"URL of the users service, without user, password and query; calls are balanced over all addresses of the host name."`
	UsersCalls
}

// UsersCalls are the settings of the calls to the users service.
type UsersCalls struct {
	UsersTimeout    time.Duration `default:"900ms" min:"10ms" max:"1m" help:"Time limit of a call to users, including its retries."`
	UsersTryTimeout time.Duration `default:"400ms" min:"10ms" max:"1m" help:"Time limit of one attempt of a call to users."`
	UsersTestHooks
}

const (
	// usersWait limits how long the service waits for the users service before it
	// is ready. A NetworkPolicy admits the traffic of a new pod only about one
	// second after the pod's start.
	usersWait = 3 * time.Second
	// deleteKeysInterval is the time between deletions of expired idempotency keys.
	deleteKeysInterval = time.Hour
)

// Program describes the program orders in its help text.
func Program() settings.Program {
	return settings.Program{Name: "orders", About: "The orders service: stores the orders of users.", Port: 5002}
}

// Run runs the service until ctx is cancelled; see lifecycle.App.
func Run(ctx context.Context, config Config, getenv func(string) string, stdout io.Writer) error {
	app, err := lifecycle.New(ctx, serviceName, config.Service, getenv, stdout)
	if err != nil {
		return err
	}
	users, err := newClient(config, app)
	if err != nil {
		return err
	}
	// The watch starts before the service listens, so that even the first response
	// to GET /health has the state of the users service. It goes on while the
	// service drains.
	watchCtx, stopWatch := context.WithCancel(context.WithoutCancel(ctx))
	app.OnClose(func() error { stopWatch(); users.Close(); return nil })
	app.Health.WatchDependency(watchCtx, client.Service, users.Health)
	return app.Run(ctx, func(ctx context.Context) error { return start(ctx, config, app, users) })
}

func newClient(config Config, app *lifecycle.App) (*client.Client, error) {
	return client.New(httpclient.Config{
		BaseURL: config.UsersURL.URL, Timeout: config.UsersTimeout, AttemptTimeout: config.UsersTryTimeout,
		TestHooks: config.UsersTestHooks.client(app.Telemetry.Log),
		Tracer:    app.Telemetry.Tracer, Propagator: app.Telemetry.Propagator,
		Registry: app.Telemetry.Registry, Logger: app.Telemetry.Log,
	})
}

// start opens the database and registers the routes. Then it waits until the
// users service responds, for at most usersWait, so that the first requests to
// a new pod do not fail.
func start(ctx context.Context, config Config, app *lifecycle.App, users *client.Client) error {
	db, err := app.OpenDatabase(ctx, "orders", Migrations())
	if err != nil {
		return err
	}
	store := NewStore(db)
	if config.SeedDemoData {
		if err := store.Seed(ctx); err != nil {
			return err
		}
	}
	Routes(app.Router, store, users)
	go deleteExpiredKeys(ctx, store, app.Telemetry.Log)
	awaitUsers(ctx, config, app)
	return nil
}

func awaitUsers(ctx context.Context, config Config, app *lifecycle.App) {
	log := app.Telemetry.Log
	log.Info("waiting for the users service", slog.Float64("timeout_seconds", usersWait.Seconds()))
	ctx, cancel := context.WithTimeout(ctx, usersWait)
	defer cancel()
	app.Health.Await(ctx, client.Service)
	if errors.Is(ctx.Err(), context.DeadlineExceeded) {
		log.Warn("the users service does not respond; starting without it",
			slog.String(string(semconv.URLFullKey), config.UsersURL.String()))
	}
}

// deleteExpiredKeys deletes the expired idempotency keys at once and then every
// hour, until ctx is cancelled.
func deleteExpiredKeys(ctx context.Context, store *Store, log *slog.Logger) {
	ticker := time.NewTicker(deleteKeysInterval)
	defer ticker.Stop()
	for {
		if err := store.DeleteExpiredKeys(ctx); err != nil && ctx.Err() == nil {
			log.Warn("cannot delete expired idempotency keys", slog.String("error", err.Error()))
		}
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		}
	}
}
