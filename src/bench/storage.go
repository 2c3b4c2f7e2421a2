package main

import (
	"context"
	"database/sql"
	"fmt"
	"io"
	"io/fs"
	"net/url"
	"path/filepath"

	"tandem/src/chassis/build"
	"tandem/src/chassis/database"
	"tandem/src/chassis/settings"
	"tandem/src/chassis/telemetry"
)

// storage is where a service keeps its data: a folder of SQLite files, or a
// PostgreSQL database.
type storage struct {
	dir string
	url *url.URL // of PostgreSQL; nil for SQLite

	commitAlone bool // whether each order that open's database gets has a commit of its own
}

// storageFromEnv returns the storage that DATABASE_URL or DATA_DIR names.
func storageFromEnv(getenv func(string) string) storage {
	if address, err := url.Parse(getenv("DATABASE_URL")); err == nil && address.Host != "" {
		return storage{url: address}
	}
	return storage{dir: getenv("DATA_DIR")}
}

// env returns the environment variable that makes a service use the storage.
func (s storage) env() string {
	if s.url != nil {
		return "DATABASE_URL=" + s.url.String()
	}
	return "DATA_DIR=" + s.dir
}

// open opens the database of a service as the service does, migrations
// included.
func (s storage) open(ctx context.Context, service string, migrations fs.FS) (*database.DB, error) {
	silent, err := telemetry.New(ctx, build.For("bench"), telemetry.LogOptions{Level: "error"}, func(string) string { return "" }, io.Discard)
	if err != nil {
		return nil, err
	}
	config := database.Config{Name: service, DataDir: s.dir, Migrations: migrations, CommitAlone: s.commitAlone}
	if s.url != nil {
		config.URL = settings.ConnString(s.url.String())
	}
	return database.Open(ctx, config, silent)
}

// openPool opens a connection pool of database/sql without any code of the
// services. Commits are as durable as theirs: SQLite has the same pragmas,
// PostgreSQL its defaults.
func (s storage) openPool(service string) (*sql.DB, error) {
	if s.url != nil {
		return sql.Open("pgx", s.url.String())
	}
	pragmas := url.Values{"_journal_mode": {"WAL"}, "_synchronous": {"FULL"}, "_busy_timeout": {"5000"}, "_txlock": {"immediate"}}
	file := url.URL{Scheme: "file", Path: filepath.Join(s.dir, service+".db"), RawQuery: pragmas.Encode()}
	return sql.Open("sqlite", file.String())
}

// fromSequence returns a FROM clause with rows s.i from 1 to n, in the SQL that
// SQLite and PostgreSQL share.
func fromSequence(n int) string {
	return fmt.Sprintf(" FROM (WITH RECURSIVE s(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM s WHERE i < %d) SELECT i FROM s) AS s", n)
}

// fillUsers inserts n users with the ids from 1 to n. The schema must exist.
func (s storage) fillUsers(ctx context.Context, n int) error {
	return s.exec(ctx, "users",
		"INSERT INTO users (id, name, email, email_key, active, created_at)"+
			" SELECT i, 'User ' || i, 'user' || i || '@example.com', 'user' || i || '@example.com', TRUE, '2026-01-01 00:00:00+00:00'"+
			fromSequence(n))
}

// fillOrders inserts n orders with the ids from 1 to n. They belong to the
// given number of users in turn, and each user has as many orders of every
// status. The schema must exist.
func (s storage) fillOrders(ctx context.Context, n, users int) error {
	insert := fmt.Sprintf("INSERT INTO orders (id, user_id, product, quantity, price_cents, status, created_at)"+
		" SELECT i, 1 + i %% %[1]d, 'Product ' || i, 1 + i %% 5, 1000 + i %% 90000,"+
		" CASE i / %[1]d %% 4 WHEN 0 THEN 'pending' WHEN 1 THEN 'shipped' WHEN 2 THEN 'completed' ELSE 'cancelled' END,"+
		" '2026-01-01 00:00:00+00:00'", users) + fromSequence(n)
	if s.url == nil {
		return s.exec(ctx, "orders", insert)
	}
	// With the triggers on, a million updates of the same few rows of
	// order_stats in one transaction are very slow in PostgreSQL, because it
	// keeps every row version until the transaction ends.
	return s.exec(ctx, "orders",
		"ALTER TABLE orders DISABLE TRIGGER USER", insert, "ALTER TABLE orders ENABLE TRIGGER USER",
		"INSERT INTO order_stats SELECT status, id % 16, COUNT(*), SUM(quantity * price_cents) FROM orders GROUP BY 1, 2",
		"VACUUM ANALYZE") // autovacuum would do this within a minute
}

// exec runs statements on the database of a service.
func (s storage) exec(ctx context.Context, service string, statements ...string) error {
	pool, err := s.openPool(service)
	if err != nil {
		return err
	}
	defer pool.Close()
	for _, statement := range statements {
		if _, err := pool.ExecContext(ctx, statement); err != nil {
			return fmt.Errorf("fill the database of %s: %w", service, err)
		}
	}
	return nil
}
