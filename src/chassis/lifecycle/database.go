package lifecycle

import (
	"context"
	"io/fs"

	"tandem/src/chassis/database"
)

// OpenDatabase opens the service's database, includes it in the readiness check
// and closes it when the App shuts down. For the errors see database.Open.
func (a *App) OpenDatabase(ctx context.Context, name string, migrations fs.FS) (*database.DB, error) {
	db, err := database.Open(ctx, database.Config{
		Name: name, URL: a.settings.DatabaseURL, DataDir: a.settings.DataDir, Migrations: migrations,
	}, a.Telemetry)
	if err != nil {
		return nil, err
	}
	// The check runs until the App closes the database, because requests are still
	// served after ctx ends.
	checkCtx, stopCheck := context.WithCancel(context.WithoutCancel(ctx))
	a.Health.WatchStore(checkCtx, db.Ping)
	a.OnClose(func() error {
		stopCheck()
		return db.Close()
	})
	return db, nil
}
