package database_test

import (
	"bytes"
	"context"
	"io"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
	"golang.org/x/sync/errgroup"

	"tandem/src/chassis/database"
)

// restored opens a copy of the database "test" as a service does.
func restored(t *testing.T, copied []byte) *database.DB {
	t.Helper()
	config := database.Config{Name: "test", DataDir: t.TempDir()}
	require.NoError(t, os.WriteFile(filepath.Join(config.DataDir, "test.db"), copied, 0o600))
	db, err := open(t, config, migrations(1))
	require.NoError(t, err)
	var integrity string
	require.NoError(t, db.Read(t.Context(), database.Op{}, func(ctx context.Context, q database.Querier) error {
		return q.QueryRowContext(ctx, "PRAGMA integrity_check").Scan(&integrity)
	}))
	require.Equal(t, "ok", integrity)
	return db
}

func TestBackup(t *testing.T) {
	t.Run("is one state of the database while a service writes", func(t *testing.T) {
		config := database.Config{Name: "test", DataDir: t.TempDir()}
		db, err := open(t, config, migrations(1))
		require.NoError(t, err)
		write := func(from int) error { // two rows in each transaction
			return db.Write(t.Context(), database.Op{}, func(ctx context.Context, q database.Querier) error {
				if err := insert(from)(ctx, q); err != nil {
					return err
				}
				return insert(-from)(ctx, q)
			})
		}
		for id := range 500 {
			require.NoError(t, write(1+id))
		}
		// The reader of the copy waits after the first bytes, and the service writes meanwhile.
		in, out := io.Pipe()
		var copying errgroup.Group
		copying.Go(func() error { return out.CloseWithError(database.Backup(t.Context(), config.DataDir, "test", out)) })
		first := make([]byte, 1)
		_, err = io.ReadFull(in, first)
		require.NoError(t, err)
		for id := range 500 {
			require.NoError(t, write(1000+id))
		}
		rest, err := io.ReadAll(in)
		require.NoError(t, err)
		require.NoError(t, copying.Wait())
		require.Equal(t, 1000, count(t, restored(t, append(first, rest...)), "t1"))
		require.Equal(t, 2000, count(t, db, "t1"))
	})

	t.Run("needs no service", func(t *testing.T) {
		config := database.Config{Name: "test", DataDir: t.TempDir()}
		openOnce(t, config, migrations(1))
		var copied bytes.Buffer
		require.NoError(t, database.Backup(t.Context(), config.DataDir, "test", &copied))
		require.Zero(t, count(t, restored(t, copied.Bytes()), "t1"))
		_, err := open(t, config, migrations(1))
		require.NoError(t, err, "the service starts after it")
	})

	t.Run("of nothing is an error, and creates nothing", func(t *testing.T) {
		dir := t.TempDir()
		require.ErrorContains(t, database.Backup(t.Context(), dir, "test", io.Discard),
			"there is no "+filepath.Join(dir, "test.db")+": give the folder of the service in DATA_DIR")
		entries, err := os.ReadDir(dir)
		require.NoError(t, err)
		require.Empty(t, entries)
	})

	t.Run("of a damaged file is an error", func(t *testing.T) {
		dir := t.TempDir()
		require.NoError(t, os.WriteFile(filepath.Join(dir, "test.db"), bytes.Repeat([]byte("no database "), 1000), 0o600))
		require.ErrorContains(t, database.Backup(t.Context(), dir, "test", io.Discard), "not a database")
	})
}
