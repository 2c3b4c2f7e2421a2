package lifecycle

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"

	"tandem/src/chassis/database"
	"tandem/src/chassis/settings"
)

// backupConfig holds the settings of the command "backup".
type backupConfig struct {
	DataDir string `default:"data" help:"Folder of the SQLite file."`
	To      string `arg:"" help:"File to create, or - for stdout."`
}

// Backup runs the command "backup" of a service whose database has the name: it writes a
// consistent copy of the SQLite file to stdout or to a new file, beside a running
// service. args are those behind the command's name.
func Backup(ctx context.Context, name string, args []string, getenv func(string) string, stdout io.Writer) error {
	var config backupConfig
	about := "Writes a consistent copy of the SQLite file of " + name + ", which may be running."
	program := settings.Program{Name: name + " backup", About: about}
	if err := settings.Parse(program, &config, args, getenv, stdout); err != nil {
		return err
	}
	for _, variable := range []string{"DATABASE_URL", "DATABASE_URL_FILE"} {
		if settings.Trim(getenv(variable)) != "" {
			return settings.Usagef("%s is set, so the data is in PostgreSQL: copy it by pg_dump", variable)
		}
	}
	if config.To == "-" {
		return database.Backup(ctx, config.DataDir, name, stdout)
	}
	return backupTo(ctx, config, name)
}

// backupTo writes the copy to a new file. If it fails, there is no file.
func backupTo(ctx context.Context, config backupConfig, name string) error {
	file, err := os.OpenFile(config.To, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return fmt.Errorf("create the copy: %w", err)
	}
	err = database.Backup(ctx, config.DataDir, name, file)
	if err = errors.Join(err, file.Sync(), file.Close()); err != nil {
		return errors.Join(err, os.Remove(config.To))
	}
	return nil
}
