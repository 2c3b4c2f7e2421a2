package users_test

import (
	"context"
	"database/sql"
	"fmt"
	"io/fs"
	"log/slog"
	"strings"
	"testing"
	"testing/fstest"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/sync/errgroup"

	"tandem/src/chassis/database"
	"tandem/src/chassis/failure"
	"tandem/src/chassis/settings"
	"tandem/src/testkit/servicetest"
	"tandem/src/testkit/telemetrytest"
	"tandem/src/users"
)

func TestEmailCase(t *testing.T) {
	testService(t, "rejects an address that differs only in case, by Unicode's full case folding", func(t *testing.T, api servicetest.API) {
		for _, same := range [][]string{
			{"ΟΔΥΣΣΕΥΣ@example.com", "οδυσσευς@example.com", "οδυσσευσ@EXAMPLE.com"}, // final sigma
			{"straße@example.com", "STRASSE@example.com", "STRAẞE@example.com", "ſtraſſe@example.com"},
			{"µ@example.com", "μ@example.com", "Μ@example.com"}, // micro sign, Greek mu
			{"K@example.com", "k@example.com", "\u212A@example.com"},
			{"ﬁn@example.com", "FIN@example.com"},
			{"İ@example.com", "i\u0307@example.com"},
		} {
			api.Post(t, "/users", userJSON("A", same[0])).Require(t, 201)
			for _, other := range same[1:] {
				api.Post(t, "/users", userJSON("B", other)).Require(t, 409)
			}
		}
		api.Post(t, "/users", userJSON("C", "ı@example.com")).Require(t, 201) // dotless i is another letter
		api.Patch(t, "/users/1", `{"email": "oδυσσευς@example.com"}`).Require(t, 200)
		api.Patch(t, "/users/1", `{"email": "Strasse@example.com"}`).Require(t, 409)
	})
}

// firstRelease returns the migrations of the release that stored addresses in lower
// case.
func firstRelease(t *testing.T) fs.FS {
	t.Helper()
	files := fstest.MapFS{}
	for _, system := range []string{"sqlite", "postgres"} {
		path := "migrations/" + system + "/00001_users.sql"
		text, err := fs.ReadFile(users.Migrations(), path)
		require.NoError(t, err)
		files[path] = &fstest.MapFile{Data: text}
	}
	return files
}

func openUsers(t *testing.T, config settings.Service, migrations fs.FS) *database.DB {
	t.Helper()
	signals, _ := telemetrytest.New(t)
	db, err := database.Open(t.Context(), database.Config{
		Name: "users", URL: config.DatabaseURL, DataDir: config.DataDir, Migrations: migrations,
	}, signals)
	require.NoError(t, err)
	return db
}

func exec(t *testing.T, db *database.DB, statement string, args ...any) {
	t.Helper()
	require.NoError(t, db.Exec(t.Context(), database.Op{Name: "TEST", Table: "users"}, func(ctx context.Context, q database.Querier) error {
		_, err := q.ExecContext(ctx, statement, args...)
		return err
	}))
}

// insertAsBefore inserts a user as the first release does.
func insertAsBefore(t *testing.T, db *database.DB, email string) {
	t.Helper()
	exec(t, db, "INSERT INTO users (name, email, email_key, active, created_at) VALUES ('x', $1, $2, TRUE, $3)",
		email, strings.ToLower(email), time.Now().UTC())
}

// emailKeys returns the keys of all users in the order of their IDs.
func emailKeys(t *testing.T, db *database.DB) (keys []string) {
	t.Helper()
	require.NoError(t, db.Read(t.Context(), database.Op{}, func(ctx context.Context, q database.Querier) (err error) {
		keys, err = database.CollectRows(ctx, q, func(row database.Row) (key string, err error) { return key, row.Scan(&key) },
			"SELECT email_key FROM users ORDER BY id")
		return err
	}))
	return keys
}

func TestFoldEmails(t *testing.T) {
	t.Run("folds the keys of the release before when the service starts, and logs both of a pair", func(t *testing.T) {
		servicetest.OnBothDatabases(t, func(t *testing.T, config settings.Service) {
			db := openUsers(t, config, firstRelease(t))
			for _, email := range []string{"straße@x.de", "Ärger@x.de", "strasse@x.de", "ſtrasse@x.de", "k@x.de", "ς@x.de", "plain@x.de"} {
				insertAsBefore(t, db, email)
			}
			require.NoError(t, db.Close())

			service := servicetest.StartReady(t, runUsers(config))
			api := servicetest.API{URL: service.URL, Transport: loadContract(t).Transport(nil)}
			for _, taken := range []string{"STRASSE@x.de", "ärger@x.de", "Σ@x.de", "\u212A@x.de", "PLAIN@x.de"} {
				api.Post(t, "/users", userJSON("B", taken)).Require(t, 409)
			}
			require.Equal(t, `"strasse@x.de"`, api.Get(t, "/users/3").Require(t, 200).At(t, "email"), "the address stays as it is")
			var pairs []string
			for _, line := range service.Log.Lines(t, "two users have the same e-mail address") {
				require.Equal(t, "WARN", line["level"])
				pairs = append(pairs, fmt.Sprint(line["user_id"], " ", line["duplicate_user_id"]))
			}
			require.Equal(t, []string{"1 3", "1 4"}, pairs)
			require.NoError(t, service.Stop())

			db = openUsers(t, config, users.Migrations())
			defer func() { require.NoError(t, db.Close()) }()
			want := []string{"strasse@x.de", "ärger@x.de", " 3 strasse@x.de", " 4 strasse@x.de", "k@x.de", "σ@x.de", "plain@x.de"}
			require.Equal(t, want, emailKeys(t, db))
		})
	})

	onBothDatabases(t, "runs again while an older version may still write", func(t *testing.T, store *users.Store, db *database.DB) {
		insertAsBefore(t, db, "straße@x.de")
		require.NoError(t, store.FoldEmails(t.Context(), slog.New(slog.DiscardHandler)))
		require.Equal(t, []string{"strasse@x.de"}, emailKeys(t, db))

		insertAsBefore(t, db, "ſ@x.de") // by the older version
		require.NoError(t, store.FoldEmails(t.Context(), slog.New(slog.DiscardHandler)))
		require.Equal(t, []string{"strasse@x.de", "s@x.de"}, emailKeys(t, db))

		exec(t, db, "UPDATE "+admissionTable+" SET lowest_version = 2") // no older version starts any more
		insertAsBefore(t, db, "ΐ@x.de")
		require.NoError(t, store.FoldEmails(t.Context(), slog.New(slog.DiscardHandler)))
		require.Equal(t, "ΐ@x.de", emailKeys(t, db)[2])
	})

	onBothDatabases(t, "gives a duplicate the key once it is free", func(t *testing.T, store *users.Store, db *database.DB) {
		insertAsBefore(t, db, "straße@x.de")
		insertAsBefore(t, db, "strasse@x.de")
		require.NoError(t, store.FoldEmails(t.Context(), slog.New(slog.DiscardHandler)))
		require.Equal(t, []string{"strasse@x.de", " 2 strasse@x.de"}, emailKeys(t, db))
		name, same, other := "y", "strasse@x.de", "other@x.de"
		_, err := store.Update(t.Context(), 2, users.Changes{Name: &name})
		require.NoError(t, err)
		_, err = store.Update(t.Context(), 2, users.Changes{Email: &same})
		require.Equal(t, failure.Conflict, failure.CodeOf(err))
		_, err = store.Update(t.Context(), 1, users.Changes{Email: &other})
		require.NoError(t, err)
		require.NoError(t, store.FoldEmails(t.Context(), slog.New(slog.DiscardHandler)))
		require.Equal(t, []string{"other@x.de", "strasse@x.de"}, emailKeys(t, db))
	})

	onBothDatabases(t, "folds any number of keys, also when several processes start", func(t *testing.T, store *users.Store, db *database.DB) {
		const count = 60
		var want []string
		for i := range count {
			insertAsBefore(t, db, fmt.Sprintf("ſ%d@x.de", i))
			want = append(want, fmt.Sprintf("s%d@x.de", i))
		}
		var starts errgroup.Group
		for range 4 {
			starts.Go(func() error { return store.FoldEmails(t.Context(), slog.New(slog.DiscardHandler)) })
		}
		require.NoError(t, starts.Wait())
		require.Equal(t, want, emailKeys(t, db))
	})

	onBothDatabases(t, "succeeds while an older version writes the same addresses", func(t *testing.T, store *users.Store, db *database.DB) {
		const count = 60
		for i := range count {
			insertAsBefore(t, db, fmt.Sprintf("ſ%d@x.de", i))
		}
		var writers errgroup.Group
		for w := range 4 {
			writers.Go(func() error {
				for i := w; i < count; i += 4 {
					_, err := store.Create(t.Context(), users.NewUser{Name: "x", Email: fmt.Sprintf("s%d@x.de", i)})
					if code := failure.CodeOf(err); err != nil && code != failure.Conflict && code != failure.Unavailable {
						return err
					}
				}
				return nil
			})
		}
		require.NoError(t, store.FoldEmails(t.Context(), slog.New(slog.DiscardHandler)))
		require.NoError(t, writers.Wait())
		require.NoError(t, store.FoldEmails(t.Context(), slog.New(slog.DiscardHandler)))
		for i, key := range emailKeys(t, db)[:count] {
			require.Equal(t, fmt.Sprintf("s%d@x.de", i), key)
		}
	})

	t.Run("tries again while the database is busy", func(t *testing.T) {
		config := servicetest.Postgres(t)
		db := openUsers(t, config, users.Migrations())
		defer func() { require.NoError(t, db.Close()) }()
		insertAsBefore(t, db, "ſ@x.de")
		other, err := sql.Open("pgx", config.DatabaseURL.Raw())
		require.NoError(t, err)
		defer other.Close()
		tx, err := other.BeginTx(t.Context(), nil)
		require.NoError(t, err)
		_, err = tx.ExecContext(t.Context(), "LOCK TABLE users IN ACCESS EXCLUSIVE MODE")
		require.NoError(t, err)

		lines := new(telemetrytest.Log)
		folded := make(chan error, 1)
		go func() {
			folded <- users.NewStore(db).FoldEmails(t.Context(), slog.New(slog.NewJSONHandler(lines, nil)))
		}()
		require.Eventually(t, func() bool {
			return len(lines.Lines(t, "cannot fold e-mail addresses yet")) > 0 || len(folded) > 0
		}, time.Minute, time.Millisecond)
		require.NoError(t, tx.Rollback())
		require.NoError(t, <-folded)
		require.Equal(t, []string{"s@x.de"}, emailKeys(t, db))
	})

	t.Run("reads only the users that it may change, by an index", func(t *testing.T) {
		db := openUsers(t, servicetest.SQLite(t), users.Migrations())
		defer func() { require.NoError(t, db.Close()) }()
		var id, parent, unused int
		var plan string
		require.NoError(t, db.Read(t.Context(), database.Op{}, func(ctx context.Context, q database.Querier) error {
			return q.QueryRowContext(ctx, "EXPLAIN QUERY PLAN "+users.EmailsToFoldQuery, 0, 1).Scan(&id, &parent, &unused, &plan)
		}))
		require.Contains(t, plan, "users_emails_to_fold")
	})
}

// admissionTable has the lowest schema version that may use the database.
const admissionTable = "users_schema_admission"

// onBothDatabases runs a subtest against the store, without the service, once
// with SQLite and once with PostgreSQL.
func onBothDatabases(t *testing.T, name string, test func(t *testing.T, store *users.Store, db *database.DB)) {
	t.Run(name, func(t *testing.T) {
		servicetest.OnBothDatabases(t, func(t *testing.T, config settings.Service) {
			db := openUsers(t, config, users.Migrations())
			defer func() { require.NoError(t, db.Close()) }()
			test(t, users.NewStore(db), db)
		})
	})
}
