package database_test

import (
	"context"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"tandem/src/chassis/database"
	"tandem/src/chassis/failure"
	"tandem/src/testkit/telemetrytest"
)

// requireRefused checks that a file at the path of the database ends the start at
// once, with a sentence that has the path.
func requireRefused(t *testing.T, config database.Config, want string) {
	t.Helper()
	signals, log := telemetrytest.New(t)
	config.Migrations = migrations(1)
	_, err := database.Open(t.Context(), config, signals)
	require.ErrorContains(t, err, "open "+filepath.Join(config.DataDir, "test.db")+": ")
	require.ErrorContains(t, err, want)
	require.Empty(t, log.String(), "nothing is tried again")
}

func TestFile(t *testing.T) {
	t.Run("of another service is refused and stays as it is", func(t *testing.T) {
		config := database.Config{Name: "test", DataDir: t.TempDir()}
		execute(t, config, "CREATE TABLE orders (id BIGINT); CREATE TABLE orders_schema_version (id BIGINT);")
		requireRefused(t, config, "it has the tables orders, orders_schema_version and is not a store of test: give another folder in DATA_DIR")
		execute(t, config, "DROP TABLE orders; DROP TABLE orders_schema_version;") // they are there still
		_, err := open(t, config, migrations(1))
		require.NoError(t, err, "an empty database is taken")
	})

	t.Run("of no database is refused", func(t *testing.T) {
		config := database.Config{Name: "test", DataDir: t.TempDir()}
		require.NoError(t, os.WriteFile(filepath.Join(config.DataDir, "test.db"), []byte("a letter to a friend, longer than a header\n"), 0o600))
		requireRefused(t, config, "file is not a database")
	})

	t.Run("that is a folder is refused", func(t *testing.T) {
		config := database.Config{Name: "test", DataDir: t.TempDir()}
		require.NoError(t, os.Mkdir(filepath.Join(config.DataDir, "test.db"), 0o700))
		requireRefused(t, config, "is a directory")
	})

	t.Run("is for its owner only", func(t *testing.T) {
		config := database.Config{Name: "test", DataDir: t.TempDir()}
		execute(t, config, "SELECT 1")
		path := filepath.Join(config.DataDir, "test.db")
		require.NoError(t, os.WriteFile(path, nil, 0o644)) // of a release that did not care
		require.NoError(t, os.Chmod(path, 0o644))
		db, err := open(t, config, migrations(1))
		require.NoError(t, err)
		require.NoError(t, db.Exec(t.Context(), database.Op{}, insert(1)))
		files, err := os.ReadDir(config.DataDir)
		require.NoError(t, err)
		require.Len(t, files, 4, "test.db, test.db-shm, test.db-wal and test.db.lock")
		for _, file := range files {
			info, err := file.Info()
			require.NoError(t, err)
			require.Equal(t, os.FileMode(0o600), info.Mode().Perm(), file.Name())
		}
	})

	for name, remove := range map[string]func(t *testing.T, path string){
		"removed": func(t *testing.T, path string) { require.NoError(t, os.Remove(path)) },
		"replaced": func(t *testing.T, path string) {
			require.NoError(t, os.Rename(path, path+".old"))
			require.NoError(t, os.WriteFile(path, nil, 0o600))
		},
		"removed with its folder": func(t *testing.T, path string) { require.NoError(t, os.RemoveAll(filepath.Dir(path))) },
	} {
		t.Run("that is "+name+" makes writes Unavailable", func(t *testing.T) {
			config := database.Config{Name: "test", DataDir: filepath.Join(t.TempDir(), "data")}
			db, err := open(t, config, migrations(1))
			require.NoError(t, err)
			require.NoError(t, db.Exec(t.Context(), database.Op{}, insert(1)))
			require.NoError(t, db.Ping(t.Context()))
			path := filepath.Join(config.DataDir, "test.db")
			remove(t, path)
			for id := range 3 {
				require.Equal(t, failure.Unavailable, failure.CodeOf(db.Exec(t.Context(), database.Op{}, insert(2+id))))
			}
			require.ErrorContains(t, db.Ping(t.Context()), "was removed or replaced")
			if name != "replaced" {
				require.NoFileExists(t, path, "nothing makes an empty database of it")
			}
		})
	}

	t.Run("that was opened read-only refuses writes, and takes them when it can be written", func(t *testing.T) {
		db, err := open(t, database.Config{Name: "test", DataDir: t.TempDir()}, migrations(1))
		require.NoError(t, err)
		require.NoError(t, db.Exec(t.Context(), database.Op{}, func(ctx context.Context, q database.Querier) error {
			_, err := q.ExecContext(ctx, "PRAGMA query_only = 1") // as SQLite opens a file that it must not write
			return err
		}))
		err = db.Exec(t.Context(), database.Op{}, insert(1))
		require.Equal(t, failure.Unavailable, failure.CodeOf(err), "%v", err)
		require.ErrorContains(t, err, "nothing was stored")
		require.Zero(t, count(t, db, "t1"))
		require.NoError(t, db.Ping(t.Context()), "files can be written, so the next connection can, too")
		require.NoError(t, db.Exec(t.Context(), database.Op{}, insert(1)))
	})

	t.Run("that is removed within a transaction makes it Unavailable, and each in its group", func(t *testing.T) {
		config := database.Config{Name: "test", DataDir: t.TempDir()}
		db, err := open(t, config, migrations(1))
		require.NoError(t, err)
		remove := func(ctx context.Context, q database.Querier) error {
			require.NoError(t, os.Remove(filepath.Join(config.DataDir, "test.db")))
			return insert(2)(ctx, q)
		}
		for _, err := range execTogether(t, db, insert(1), remove, insert(3)) {
			require.Equal(t, failure.Unavailable, failure.CodeOf(err), "%v", err)
		}
	})
}
