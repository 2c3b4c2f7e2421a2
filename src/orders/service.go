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
	"tandem/src/console"
	"tandem/src/users/client"
)

// Config holds the settings of the orders service.
type Config struct {
	settings.Service
	UsersURL settings.URL `default:"http://127.0.0.1:5001" schemes:"http,https" like:"http://users:5001" help:"URL of the users service, without user, password and query; calls are balanced over all addresses of the host name."`
	Settings
}

// Settings are the settings of this service alone. The program tandem, which
// runs both services, has them too.
type Settings struct {
	UsersTimeout    time.Duration `default:"900ms" min:"10ms" max:"1m" help:"Time limit of a call to users, including its retries."`
	UsersTryTimeout time.Duration `default:"400ms" min:"10ms" max:"1m" help:"Time limit of one attempt of a call to users."`
	UsersTestHooks
}

const (
	// usersWait is how long orders waits for a response from users before it
	// becomes ready without one. The first calls of a new pod can fail: a
	// NetworkPolicy admits a pod's traffic only about one second after its start.
	usersWait = 3 * time.Second
	// deleteKeysInterval is the time between deletions of expired idempotency keys.
	deleteKeysInterval = time.Hour
)

// Program describes the orders program for its help text.
func Program() settings.Program {
	return settings.Program{
		Name: "orders", About: "The orders service: stores the orders of users.", Port: 5002,
		Commands: `"orders test" checks over HTTP that an installed release works; "orders test -h" lists its settings. ` +
			`"orders backup -" writes a consistent copy of the SQLite file to stdout, also while orders runs.`,
	}
}

// Run runs the service until ctx is cancelled; see lifecycle.App.
func Run(ctx context.Context, config Config, getenv func(string) string, stdout io.Writer) error {
	app, err := lifecycle.New(ctx, serviceName, config.Service, getenv, stdout)
	if err != nil {
		return err
	}
	if config.Console {
		err := console.Register(app.Router, console.Console{Service: serviceName, TraceURL: config.ConsoleTraceURL, OpenAPI: openapi})
		if err != nil {
			return err
		}
	}
	users, err := newClient(config, app)
	if err != nil {
		return err
	}
	// The watch starts before the service listens, so that even the first response
	// to GET /health contains the state of the users service. It ignores the end of
	// ctx, so that it goes on while the service drains.
	watchCtx, stopWatch := context.WithCancel(context.WithoutCancel(ctx))
	app.OnClose(func() error { stopWatch(); users.Close(); return nil })
	app.Health.WatchDependency(watchCtx, client.ServiceName, users.Health)
	return app.Run(ctx, func(ctx context.Context) error { return start(ctx, config, app, users) })
}

// newClient returns a client that calls users as config says.
func newClient(config Config, app *lifecycle.App) (*client.Client, error) {
	return client.New(httpclient.Config{
		BaseURL: config.UsersURL.URL, Timeout: config.UsersTimeout, AttemptTimeout: config.UsersTryTimeout,
		TestHooks: config.httpClientHooks(app.Telemetry.Log),
		Tracer:    app.Telemetry.Tracer, Propagator: app.Telemetry.Propagator,
		Registry: app.Telemetry.Registry, Logger: app.Telemetry.Log,
	})
}

// start opens the database and registers the routes. Then it waits until the
// users service is healthy, for at most usersWait, so that the first requests to
// a new pod do not fail and the first response to GET /health says so.
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

// awaitUsers returns when the users service responds, but at the latest after
// usersWait.
func awaitUsers(ctx context.Context, config Config, app *lifecycle.App) {
	log := app.Telemetry.Log
	log.Info("waiting for the users service", slog.Float64("timeout_seconds", usersWait.Seconds()))
	ctx, cancel := context.WithTimeout(ctx, usersWait)
	defer cancel()
	app.Health.AwaitHealthy(ctx, client.ServiceName)
	if errors.Is(ctx.Err(), context.DeadlineExceeded) {
		log.Warn("the users service is not healthy; starting without it",
			slog.String(string(semconv.URLFullKey), config.UsersURL.String()))
	}
}

// deleteExpiredKeys deletes the expired idempotency keys now and then once per
// deleteKeysInterval, until ctx is cancelled.
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
