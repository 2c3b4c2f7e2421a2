package lifecycle

import (
	"context"
	"errors"
	"io/fs"
	"log/slog"

	"tandem/src/chassis/database"
	"tandem/src/chassis/health"
)

// OpenDatabase opens the service's database, includes it in the readiness check
// and closes it when the App shuts down. For the errors see database.Open.
func (a *App) OpenDatabase(ctx context.Context, name string, migrations fs.FS) (*database.DB, error) {
	db, err := database.Open(ctx, database.Config{
		Name: name, URL: a.settings.DatabaseURL, URLFile: a.settings.DatabaseURLFile, DataDir: a.settings.DataDir, Migrations: migrations,
		MaxConns: a.settings.DatabaseMaxConnections, ConnLifetime: a.settings.DatabaseConnectionLifetime,
		ConnIdleTime: a.settings.DatabaseConnectionIdleTime,
	}, a.Telemetry)
	if err != nil {
		return nil, err
	}
	// The check runs until the App closes the database, because requests are still
	// served after ctx ends.
	checkCtx, stopCheck := context.WithCancel(context.WithoutCancel(ctx))
	a.Health.WatchStore(checkCtx, a.logChanges(db.Ping))
	a.OnClose(func() error {
		stopCheck()
		return db.Close()
	})
	return db, nil
}

// logChanges returns a check that logs when the result of ping changes, and why. It
// translates the error of a database that only reads.
func (a *App) logChanges(ping func(context.Context) error) func(context.Context) error {
	failed := false
	return func(ctx context.Context) error {
		err := ping(ctx)
		if errors.Is(ctx.Err(), context.Canceled) {
			return err // the service stops
		}
		switch {
		case err != nil && !failed:
			a.Telemetry.Log.Warn("the database is not healthy", slog.String("error", err.Error()))
		case err == nil && failed:
			a.Telemetry.Log.Info("the database is healthy again")
		}
		failed = err != nil
		if errors.Is(err, database.ErrReadsOnly) {
			return health.ErrDegraded
		}
		return err
	}
}
