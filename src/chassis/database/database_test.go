package database_test

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"testing/fstest"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/sync/errgroup"

	"tandem/src/chassis/database"
	"tandem/src/chassis/failure"
	"tandem/src/chassis/settings"
	"tandem/src/testkit/postgrestest"
	"tandem/src/testkit/telemetrytest"
)

// migrations returns one migration for each argument. A migration adds a table
// and sets the lowest compatible schema version to its argument.
func migrations(lowestVersions ...int) fs.FS { return migrationsOf("test", lowestVersions...) }

// migrationsOf returns the migrations of another service than "test".
func migrationsOf(name string, lowestVersions ...int) fs.FS {
	files := fstest.MapFS{}
	for i, lowest := range lowestVersions {
		version := i + 1
		text := fmt.Sprintf("-- +goose Up\nCREATE TABLE t%d (id BIGINT PRIMARY KEY, at TIMESTAMP);\n", version)
		if version == 1 {
			text += "CREATE TABLE " + name + "_schema_admission (lowest_version BIGINT NOT NULL);\n" +
				fmt.Sprintf("INSERT INTO %s_schema_admission VALUES (%d);\n", name, lowest)
		} else {
			text += fmt.Sprintf("UPDATE %s_schema_admission SET lowest_version = %d;\n", name, lowest)
		}
		for _, folder := range []string{"migrations/sqlite", "migrations/postgres"} {
			files[fmt.Sprintf("%s/%05d_t.sql", folder, version)] = &fstest.MapFile{Data: []byte(text)}
		}
	}
	return files
}

// onBothDatabases runs a test once on SQLite and once on PostgreSQL, each time on an
// empty database.
func onBothDatabases(t *testing.T, test func(t *testing.T, config database.Config)) {
	t.Run("SQLite", func(t *testing.T) {
		test(t, database.Config{Name: "test", DataDir: t.TempDir()})
	})
	t.Run("PostgreSQL", func(t *testing.T) {
		test(t, database.Config{Name: "test", URL: parse(t, postgrestest.URL(t))})
	})
}

func parse(t *testing.T, text string) settings.ConnString {
	t.Helper()
	url, ok := settings.ParseConnString(text)
	require.True(t, ok)
	return url
}

func open(t *testing.T, config database.Config, files fs.FS) (*database.DB, error) {
	t.Helper()
	signals, _ := telemetrytest.New(t)
	config.Migrations = files
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	db, err := database.Open(ctx, config, signals)
	if err == nil {
		t.Cleanup(func() { require.NoError(t, db.Close()) })
	}
	return db, err
}

// openOnce opens a database and closes it, like an earlier process.
func openOnce(t *testing.T, config database.Config, files fs.FS) {
	t.Helper()
	signals, _ := telemetrytest.New(t)
	config.Migrations = files
	db, err := database.Open(t.Context(), config, signals)
	require.NoError(t, err)
	require.NoError(t, db.Close())
}

// count returns the number of rows of a table.
func count(t *testing.T, db *database.DB, table string) (n int) {
	t.Helper()
	require.NoError(t, db.Read(t.Context(), database.Op{Name: "SELECT", Table: table}, func(ctx context.Context, q database.Querier) error {
		return q.QueryRowContext(ctx, "SELECT COUNT(*) FROM "+table).Scan(&n)
	}))
	return n
}

// insert returns a function that inserts a row into the table t1.
func insert(id int) database.OpFunc {
	return func(ctx context.Context, q database.Querier) error {
		_, err := q.ExecContext(ctx, "INSERT INTO t1 (id, at) VALUES ($1, $2)", id, time.Now().UTC())
		return err
	}
}

func TestOpen(t *testing.T) {
	t.Run("migrates once when several replicas start together", func(t *testing.T) {
		onBothDatabases(t, func(t *testing.T, config database.Config) {
			var starts errgroup.Group
			var mu sync.Mutex
			for range 5 {
				starts.Go(func() error {
					mu.Lock()
					signals, _ := telemetrytest.New(t)
					mu.Unlock()
					config := config
					config.Migrations = migrations(1, 1, 1)
					db, err := database.Open(t.Context(), config, signals)
					if err != nil {
						return err
					}
					return db.Close()
				})
			}
			require.NoError(t, starts.Wait())
		})
	})

	t.Run("accepts a newer schema that is compatible", func(t *testing.T) {
		onBothDatabases(t, func(t *testing.T, config database.Config) {
			openOnce(t, config, migrations(1, 1))
			older, err := open(t, config, migrations(1))
			require.NoError(t, err)
			require.Zero(t, count(t, older, "t2"))
		})
	})

	t.Run("refuses a schema that requires a newer binary", func(t *testing.T) {
		onBothDatabases(t, func(t *testing.T, config database.Config) {
			openOnce(t, config, migrations(1, 1, 3))
			_, err := open(t, config, migrations(1, 1))
			require.ErrorContains(t, err, "this binary's schema version is 2, but the database requires version 3 or later: run a newer release")
		})
	})

	t.Run("retries while PostgreSQL is unreachable", func(t *testing.T) {
		signals, log := telemetrytest.New(t)
		ctx, cancel := context.WithTimeout(t.Context(), 1200*time.Millisecond)
		defer cancel()
		config := database.Config{Name: "test", URL: parse(t, "postgres://me:topsecret@127.0.0.1:1/x"), Migrations: migrations(1)}
		_, err := database.Open(ctx, config, signals)
		require.Error(t, err)
		require.GreaterOrEqual(t, len(log.Lines(t, "the database cannot be reached yet")), 2)
		require.NotContains(t, log.String()+err.Error(), "topsecret")
	})

	t.Run("locks the SQLite file", func(t *testing.T) {
		config := database.Config{Name: "test", DataDir: t.TempDir(), Migrations: migrations(1)}
		signals, log := telemetrytest.New(t)
		first, err := database.Open(t.Context(), config, signals)
		require.NoError(t, err)

		ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
		defer cancel()
		_, err = database.Open(ctx, config, signals)
		want := "open " + filepath.Join(config.DataDir, "test.db") + ": another process has it open"
		require.ErrorContains(t, err, want)
		require.Equal(t, want, log.Lines(t, "the database cannot be reached yet")[0]["error"])

		require.NoError(t, first.Close())
		_, err = open(t, config, migrations(1))
		require.NoError(t, err)
	})

	t.Run("does not retry a rejected login", func(t *testing.T) {
		databaseURL := parse(t, strings.Replace(postgrestest.URL(t), "postgres@", "no_such_user:topsecret@", 1))
		signals, _ := telemetrytest.New(t)
		_, err := database.Open(t.Context(), database.Config{Name: "test", URL: databaseURL, Migrations: migrations(1)}, signals)
		require.ErrorContains(t, err, "no_such_user")
		require.NotContains(t, err.Error(), "topsecret")
	})

	t.Run("lets two services use one PostgreSQL database", func(t *testing.T) {
		databaseURL := parse(t, postgrestest.URL(t))
		other := fstest.MapFS{"migrations/postgres/00001_t.sql": &fstest.MapFile{Data: []byte(
			"-- +goose Up\nCREATE TABLE other (id BIGINT);\nCREATE TABLE other_schema_admission (lowest_version BIGINT NOT NULL);\n" +
				"INSERT INTO other_schema_admission VALUES (1);\n")}}
		for range 2 {
			db, err := open(t, database.Config{Name: "test", URL: databaseURL}, migrations(1, 2))
			require.NoError(t, err)
			require.Zero(t, count(t, db, "t2"))
			db, err = open(t, database.Config{Name: "other", URL: databaseURL}, other)
			require.NoError(t, err, "version 2 that the first requires says nothing about the second")
			require.Zero(t, count(t, db, "other"))
			require.NoError(t, db.Ping(t.Context()))
		}
	})

	t.Run("takes over the versions of release 0.1", func(t *testing.T) {
		onBothDatabases(t, func(t *testing.T, config database.Config) {
			createOldStore(t, config)
			for range 2 {
				openOnce(t, config, migrations(1, 1))
				requireOldVersions(t, config, 1, 1)
			}
			openOnce(t, config, migrations(1)) // version 1 may use it, and is not applied again
			openOnce(t, config, migrations(1, 1, 3))
			requireOldVersions(t, config, 1, 3) // so that release 0.1 refuses it, too
		})
	})

	t.Run("limits the time of statements, but not of migrations", func(t *testing.T) {
		databaseURL := postgrestest.URL(t)
		db, err := open(t, database.Config{Name: "test", URL: parse(t, databaseURL)}, migrations(1))
		require.NoError(t, err)
		err = db.Read(t.Context(), database.Op{}, func(ctx context.Context, q database.Querier) error {
			var timeout string
			if err := q.QueryRowContext(ctx, "SHOW statement_timeout").Scan(&timeout); err != nil {
				return err
			}
			require.Equal(t, "5s", timeout)
			return nil
		})
		require.NoError(t, err)
		require.Equal(t, "0", migrationTimeout(t, databaseURL), "0 means no timeout")
	})
}

// execute runs SQL in a database without the package that is tested.
func execute(t *testing.T, config database.Config, statements string) {
	t.Helper()
	pool, err := connect(config)
	require.NoError(t, err)
	defer pool.Close()
	_, err = pool.Exec(statements)
	require.NoError(t, err)
}

func connect(config database.Config) (*sql.DB, error) {
	if config.URL != "" {
		return sql.Open("pgx", config.URL.Raw())
	}
	return sql.Open("sqlite", filepath.Join(config.DataDir, config.Name+".db"))
}

// createOldStore creates what release 0.1 leaves: the tables of the first
// migration, and those of the versions with the names that all services shared.
func createOldStore(t *testing.T, config database.Config) {
	t.Helper()
	id, yes := "INTEGER PRIMARY KEY AUTOINCREMENT", "1"
	if config.URL != "" {
		id, yes = "INTEGER PRIMARY KEY GENERATED BY DEFAULT AS IDENTITY", "true"
	}
	execute(t, config, "CREATE TABLE goose_db_version (id "+id+", version_id BIGINT NOT NULL, is_applied BOOLEAN NOT NULL, "+
		"tstamp TIMESTAMP NOT NULL DEFAULT CURRENT_TIMESTAMP);"+
		"INSERT INTO goose_db_version (version_id, is_applied) VALUES (0, "+yes+"), (1, "+yes+");"+
		"CREATE TABLE schema_admission (lowest_version BIGINT NOT NULL); INSERT INTO schema_admission VALUES (1);"+
		"CREATE TABLE test (id BIGINT); CREATE TABLE t1 (id BIGINT);")
}

// requireOldVersions checks what release 0.1 reads at its start: the version that
// was applied last, and the lowest that may use the database.
func requireOldVersions(t *testing.T, config database.Config, version, lowest int) {
	t.Helper()
	pool, err := connect(config)
	require.NoError(t, err)
	defer pool.Close()
	var gotVersion, gotLowest int
	require.NoError(t, pool.QueryRow("SELECT MAX(version_id) FROM goose_db_version").Scan(&gotVersion))
	require.NoError(t, pool.QueryRow("SELECT lowest_version FROM schema_admission").Scan(&gotLowest))
	require.Equal(t, []int{version, lowest}, []int{gotVersion, gotLowest})
}

func TestWrite(t *testing.T) {
	t.Run("rolls back a failed transaction", func(t *testing.T) {
		onBothDatabases(t, func(t *testing.T, config database.Config) {
			db, err := open(t, config, migrations(1))
			require.NoError(t, err)
			boom := errors.New("boom")
			err = db.Write(t.Context(), database.Op{Name: "INSERT", Table: "t1"}, func(ctx context.Context, q database.Querier) error {
				return errors.Join(insert(1)(ctx, q), boom)
			})
			require.ErrorIs(t, err, boom)
			require.Zero(t, count(t, db, "t1"))
		})
	})

	t.Run("retries a serialization failure", func(t *testing.T) {
		serializable := parse(t, postgrestest.URL(t)+"?default_transaction_isolation=serializable")
		db, err := open(t, database.Config{Name: "test", URL: serializable}, migrations(1))
		require.NoError(t, err)
		op := database.Op{Name: "INSERT", Table: "t1"}
		var writers errgroup.Group
		for range 4 {
			writers.Go(func() error {
				return db.Write(t.Context(), op, func(ctx context.Context, q database.Querier) error {
					var n int
					if err := q.QueryRowContext(ctx, "SELECT COUNT(*) FROM t1").Scan(&n); err != nil {
						return err
					}
					return insert(n+1)(ctx, q)
				})
			})
		}
		require.NoError(t, writers.Wait())
		require.Equal(t, 4, count(t, db, "t1"))
	})

	t.Run("stores a time with its microseconds", func(t *testing.T) {
		onBothDatabases(t, func(t *testing.T, config database.Config) {
			db, err := open(t, config, migrations(1))
			require.NoError(t, err)
			want := time.Date(2026, 2, 3, 4, 5, 6, 123456000, time.UTC)
			var got time.Time
			require.NoError(t, db.Write(t.Context(), database.Op{Name: "INSERT", Table: "t1"}, func(ctx context.Context, q database.Querier) error {
				_, err := q.ExecContext(ctx, "INSERT INTO t1 (id, at) VALUES (1, $1)", want)
				return errors.Join(err, q.QueryRowContext(ctx, "SELECT at FROM t1").Scan(&got))
			}))
			require.Equal(t, want, got.UTC())
		})
	})

	t.Run("creates a span for each operation if the trace is recorded", func(t *testing.T) {
		signals, _ := telemetrytest.New(t)
		spans := telemetrytest.Spans(signals)
		db, err := database.Open(t.Context(), database.Config{Name: "test", DataDir: t.TempDir(), Migrations: migrations(1)}, signals)
		require.NoError(t, err)
		defer db.Close()
		count(t, db, "t1")
		require.Empty(t, spans.Ended())
		ctx, parent := signals.Tracer.Start(t.Context(), "parent")
		require.NoError(t, db.Write(ctx, database.Op{Name: "INSERT", Table: "t1"}, insert(1)))
		require.Error(t, db.Write(ctx, database.Op{Name: "INSERT", Table: "t1"}, insert(1)))
		parent.End()
		require.Len(t, spans.Ended(), 3)
		require.Equal(t, "INSERT t1", spans.Ended()[0].Name())
		require.Equal(t, parent.SpanContext().SpanID(), spans.Ended()[0].Parent().SpanID())
		require.Equal(t, "Error", spans.Ended()[1].Status().Code.String())
	})
}

func TestWriteLocked(t *testing.T) {
	t.Run("makes others wait who change the table", func(t *testing.T) {
		db, err := open(t, database.Config{Name: "test", URL: parse(t, postgrestest.URL(t))}, migrations(1))
		require.NoError(t, err)
		op := database.Op{Name: "INSERT", Table: "t1"}
		inserted := make(chan error, 1)
		require.NoError(t, db.WriteLocked(t.Context(), op, func(ctx context.Context, q database.Querier) error {
			go func() { inserted <- db.Exec(t.Context(), op, insert(1)) }()
			for waiting := 0; waiting == 0; {
				require.Empty(t, inserted)
				if err := q.QueryRowContext(ctx, "SELECT COUNT(*) FROM pg_locks WHERE NOT granted AND relation = 't1'::regclass").Scan(&waiting); err != nil {
					return err
				}
			}
			return insert(2)(ctx, q)
		}))
		require.NoError(t, <-inserted)
		require.Equal(t, 2, count(t, db, "t1"))
	})

	t.Run("changes nothing after an error", func(t *testing.T) {
		onBothDatabases(t, func(t *testing.T, config database.Config) {
			db, err := open(t, config, migrations(1))
			require.NoError(t, err)
			op := database.Op{Name: "INSERT", Table: "t1"}
			require.Error(t, db.WriteLocked(t.Context(), op, func(ctx context.Context, q database.Querier) error {
				return errors.Join(insert(1)(ctx, q), errors.New("no"))
			}))
			require.Zero(t, count(t, db, "t1"))
		})
	})
}

func TestLowestVersion(t *testing.T) {
	onBothDatabases(t, func(t *testing.T, config database.Config) {
		db, err := open(t, config, migrations(1, 2, 2))
		require.NoError(t, err)
		lowest, err := db.LowestVersion(t.Context())
		require.NoError(t, err)
		require.EqualValues(t, 2, lowest)
	})
}

func TestExec(t *testing.T) {
	t.Run("returns an error that IsDuplicate recognises", func(t *testing.T) {
		onBothDatabases(t, func(t *testing.T, config database.Config) {
			db, err := open(t, config, migrations(1))
			require.NoError(t, err)
			op := database.Op{Name: "INSERT", Table: "t1"}
			require.NoError(t, db.Exec(t.Context(), op, insert(1)))
			err = db.Exec(t.Context(), op, insert(1))
			require.True(t, database.IsDuplicate(err), "%v", err)
			require.False(t, database.IsDuplicate(errors.New("other")))
		})
	})

	t.Run("commits durably on SQLite", func(t *testing.T) {
		db, err := open(t, database.Config{Name: "test", DataDir: t.TempDir()}, migrations(1))
		require.NoError(t, err)
		var synchronous int
		var journal string
		require.NoError(t, db.Exec(t.Context(), database.Op{}, func(ctx context.Context, q database.Querier) error {
			return errors.Join(q.QueryRowContext(ctx, "PRAGMA synchronous").Scan(&synchronous),
				q.QueryRowContext(ctx, "PRAGMA journal_mode").Scan(&journal))
		}))
		require.Equal(t, 2, synchronous, "FULL: a commit waits for the disk, so it survives a power failure")
		require.Equal(t, "wal", journal)
	})

	t.Run("returns Unavailable on a full disk", func(t *testing.T) {
		db, err := open(t, database.Config{Name: "test", DataDir: t.TempDir()}, migrations(1))
		require.NoError(t, err)
		limitSize(t, db)
		err = db.Exec(t.Context(), database.Op{Name: "INSERT", Table: "t1"}, fill)
		require.Equal(t, failure.Unavailable, failure.CodeOf(err), "%v", err)
		require.NoError(t, db.Exec(t.Context(), database.Op{Name: "INSERT", Table: "t1"}, insert(1)))
	})
}

func TestRead(t *testing.T) {
	t.Run("returns Unavailable after the deadline", func(t *testing.T) {
		db, err := open(t, database.Config{Name: "test", DataDir: t.TempDir()}, migrations(1))
		require.NoError(t, err)
		ctx, cancel := context.WithDeadline(t.Context(), time.Now())
		defer cancel()
		err = db.Read(ctx, database.Op{Name: "SELECT", Table: "t1"}, func(ctx context.Context, q database.Querier) error {
			var n int
			return q.QueryRowContext(ctx, "SELECT 1").Scan(&n)
		})
		require.Equal(t, failure.Unavailable, failure.CodeOf(err))
	})

	t.Run("returns Unavailable when the server ends the connection", func(t *testing.T) {
		databaseURL := parse(t, postgrestest.URL(t))
		db, err := open(t, database.Config{Name: "test", URL: databaseURL}, migrations(1))
		require.NoError(t, err)
		admin, err := open(t, database.Config{Name: "test", URL: databaseURL}, migrations(1))
		require.NoError(t, err)
		sleep := func(ctx context.Context, q database.Querier) error {
			var done bool
			return q.QueryRowContext(ctx, "SELECT pg_sleep(20) IS NULL").Scan(&done)
		}
		failed := make(chan error, 1)
		go func() { failed <- db.Read(t.Context(), database.Op{Name: "SELECT", Table: "t1"}, sleep) }()
		require.Eventually(t, func() bool {
			terminated := 0
			require.NoError(t, admin.Read(t.Context(), database.Op{}, func(ctx context.Context, q database.Querier) error {
				return q.QueryRowContext(ctx, "SELECT COUNT(pg_terminate_backend(pid)) FROM pg_stat_activity WHERE query LIKE 'SELECT pg_sleep(20)%'").Scan(&terminated)
			}))
			return terminated > 0
		}, 10*time.Second, 10*time.Millisecond)
		require.Equal(t, failure.Unavailable, failure.CodeOf(<-failed))
	})
}

// migrationTimeout runs a migration that records the statement timeout in a table,
// and returns the timeout.
func migrationTimeout(t *testing.T, databaseURL string) string {
	t.Helper()
	recording := fstest.MapFS{"migrations/postgres/00001_t.sql": &fstest.MapFile{Data: []byte("-- +goose Up\nSELECT 1;\n")},
		"migrations/postgres/00002_t.sql": &fstest.MapFile{Data: []byte(
			"-- +goose Up\nCREATE TABLE recorded AS SELECT current_setting('statement_timeout') AS timeout;\n")}}
	db, err := open(t, database.Config{Name: "test", URL: parse(t, databaseURL)}, recording)
	require.NoError(t, err)
	var timeout string
	require.NoError(t, db.Read(t.Context(), database.Op{}, func(ctx context.Context, q database.Querier) error {
		return q.QueryRowContext(ctx, "SELECT timeout FROM recorded").Scan(&timeout)
	}))
	return timeout
}

// limitSize limits the SQLite file to its present size, as a full disk does.
func limitSize(t *testing.T, db *database.DB) {
	t.Helper()
	require.NoError(t, db.Exec(t.Context(), database.Op{}, func(ctx context.Context, q database.Querier) error {
		var pages int
		if err := q.QueryRowContext(ctx, "PRAGMA page_count").Scan(&pages); err != nil {
			return err
		}
		return q.QueryRowContext(ctx, fmt.Sprintf("PRAGMA max_page_count = %d", pages)).Scan(&pages)
	}))
}

// fill inserts more rows than fit into the SQLite file after limitSize.
func fill(ctx context.Context, q database.Querier) error {
	_, err := q.ExecContext(ctx, "WITH RECURSIVE n(i) AS (SELECT 1000 UNION ALL SELECT i + 1 FROM n WHERE i < 20000) INSERT INTO t1 (id) SELECT i FROM n")
	return err
}

func TestPing(t *testing.T) {
	t.Run("notices a corrupt SQLite file", func(t *testing.T) {
		dir := t.TempDir()
		db, err := open(t, database.Config{Name: "test", DataDir: dir}, migrations(1))
		require.NoError(t, err)
		require.NoError(t, db.Ping(t.Context()))
		for _, name := range []string{"test.db", "test.db-wal"} {
			require.NoError(t, os.WriteFile(filepath.Join(dir, name), []byte(strings.Repeat("corrupt ", 4096)), 0o600))
		}
		require.Error(t, db.Ping(t.Context()))
	})

	t.Run("does not queue behind requests", func(t *testing.T) {
		db, err := open(t, database.Config{Name: "test", URL: parse(t, postgrestest.URL(t))}, migrations(1))
		require.NoError(t, err)
		ctx, cancel := context.WithCancel(t.Context())
		var busy errgroup.Group
		for range 12 { // more than the pool has connections
			busy.Go(func() error {
				_ = db.Read(ctx, database.Op{}, func(ctx context.Context, q database.Querier) error {
					_, err := q.ExecContext(ctx, "SELECT pg_sleep(20)")
					return err
				})
				return nil
			})
		}
		// Less than the 5 s after which the server ends the statements, and much time for a busy machine.
		pingCtx, stop := context.WithTimeout(t.Context(), 4*time.Second)
		defer stop()
		require.NoError(t, db.Ping(pingCtx))
		cancel()
		require.NoError(t, busy.Wait())
	})
}
