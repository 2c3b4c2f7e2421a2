package lifecycle

import (
	"context"
	"io/fs"

	"tandem/src/chassis/database"
)

// OpenDatabase opens the service's database, watches it for readiness and
// closes it when the last request has been answered.
func (h *App) OpenDatabase(ctx context.Context, name string, migrations fs.FS) (*database.DB, error) {
	db, err := database.Open(ctx, database.Config{
		Name: name, URL: h.settings.DatabaseURL, DataDir: h.settings.DataDir, Migrations: migrations,
	}, h.Telemetry)
	if err != nil {
		return nil, err
	}
	// Until the host closes it: requests are answered past the context's end.
	watching, stop := context.WithCancel(context.WithoutCancel(ctx))
	h.Health.WatchStore(watching, db.Ping)
	h.OnClose(func() error {
		stop()
		return db.Close()
	})
	return db, nil
}
