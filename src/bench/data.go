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
	"tandem/src/orders"
	"tandem/src/users"
)

// place is where a service keeps its data: a folder for SQLite's files, or a
// database on a PostgreSQL server.
type place struct {
	dir     string
	address *url.URL
}

// env is the setting that leads a service there.
func (p place) env() string {
	if p.address != nil {
		return "DATABASE_URL=" + p.address.String()
	}
	return "DATA_DIR=" + p.dir
}

// open opens a service's database as the service does.
func (p place) open(ctx context.Context, name string, migrations fs.FS) (*database.DB, error) {
	silent, err := telemetry.New(ctx, build.For("bench"), "error", func(string) string { return "" }, io.Discard)
	if err != nil {
		return nil, err
	}
	config := database.Config{Name: name, URL: settings.URL{URL: p.address}, DataDir: p.dir, Migrations: migrations}
	return database.Open(ctx, config, silent)
}

// pool opens a pool of connections with nothing of ours in between, as durable
// as the services' own: SQLite by the same pragmas, PostgreSQL by its defaults.
func (p place) pool(name string) (*sql.DB, error) {
	if p.address != nil {
		return sql.Open("pgx", p.address.String())
	}
	options := url.Values{"_journal_mode": {"WAL"}, "_synchronous": {"FULL"}, "_busy_timeout": {"5000"}, "_txlock": {"immediate"}}
	file := url.URL{Scheme: "file", Path: filepath.Join(p.dir, name+".db"), RawQuery: options.Encode()}
	return sql.Open("sqlite", file.String())
}

// series is the numbers from 1 to n, in both dialects.
func series(n int) string {
	return fmt.Sprintf(" FROM (WITH RECURSIVE s(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM s WHERE i < %d) SELECT i FROM s) AS s", n)
}

// fillUsers makes a store of n users.
func (p place) fillUsers(ctx context.Context, n int) error {
	return p.fill(ctx, "users", users.Migrations(),
		"INSERT INTO users (id, name, email, email_key, active, created_at)"+
			" SELECT i, 'User ' || i, 'user' || i || '@example.com', 'user' || i || '@example.com', TRUE, '2026-01-01 00:00:00+00:00'"+
			series(n))
}

// fillOrders makes a store of n orders, of so many users in turn, and of each
// user's orders as many of every status.
func (p place) fillOrders(ctx context.Context, n, users int) error {
	insert := fmt.Sprintf("INSERT INTO orders (id, user_id, product, quantity, price_cents, status, created_at)"+
		" SELECT i, 1 + i %% %[1]d, 'Product ' || i, 1 + i %% 5, 1000 + i %% 90000,"+
		" CASE i / %[1]d %% 4 WHEN 0 THEN 'pending' WHEN 1 THEN 'shipped' WHEN 2 THEN 'completed' ELSE 'cancelled' END,"+
		" '2026-01-01 00:00:00+00:00'", users) + series(n)
	if p.address == nil {
		return p.fill(ctx, "orders", orders.Migrations(), insert)
	}
	// A million updates of few rows in one transaction take PostgreSQL ages,
	// because it keeps every version until the end: the sums are made at once.
	return p.fill(ctx, "orders", orders.Migrations(),
		"ALTER TABLE orders DISABLE TRIGGER USER", insert, "ALTER TABLE orders ENABLE TRIGGER USER",
		"INSERT INTO order_stats SELECT status, id % 16, COUNT(*), SUM(quantity * price_cents) FROM orders GROUP BY 1, 2",
		"VACUUM ANALYZE") // as autovacuum would within a minute
}

// fill makes a service's schema and runs statements on it.
func (p place) fill(ctx context.Context, name string, migrations fs.FS, statements ...string) error {
	db, err := p.open(ctx, name, migrations)
	if err != nil {
		return err
	}
	if err := db.Close(); err != nil {
		return err
	}
	pool, err := p.pool(name)
	if err != nil {
		return err
	}
	defer pool.Close()
	for _, statement := range statements {
		if _, err := pool.ExecContext(ctx, statement); err != nil {
			return fmt.Errorf("fill %s: %w", name, err)
		}
	}
	return nil
}
