package database

import (
	"database/sql"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/stdlib"
	"go.opentelemetry.io/otel/attribute"
	semconv "go.opentelemetry.io/otel/semconv/v1.43.0"

	"tandem/src/chassis/settings"
)

// Limits of the PostgreSQL pool. Ten connections keep two cores busy, and ten
// replicas share the default max_connections of a server, which is 100.
const (
	maxConns        = 10
	connectTimeout  = 2 * time.Second
	connMaxLifetime = 30 * time.Minute // so that after a failover all connections move to the new server
)

// newPostgres creates the pools and does not connect yet. Timeouts in the URL
// (https://www.postgresql.org/docs/current/runtime-config-client.html) take
// precedence over the defaults that newPostgres sets.
func newPostgres(databaseURL settings.URL) (*DB, error) {
	config, err := pgx.ParseConfig(databaseURL.Raw())
	if err != nil {
		// Do not wrap err: it may contain the password.
		return nil, fmt.Errorf("DATABASE_URL=%q is not usable: give a URL like postgres://user:password@host:5432/database", databaseURL)
	}
	if config.ConnectTimeout == 0 {
		config.ConnectTimeout = connectTimeout
	}
	setDefaults(config.RuntimeParams, map[string]string{"application_name": "tandem", "timezone": "UTC"})
	// These pools copy config before the statement timeout is set: a migration may
	// take as long as it needs, and a ping has the deadline of its context.
	migrations, probe := stdlib.OpenDB(*config.Copy()), stdlib.OpenDB(*config.Copy())
	setDefaults(config.RuntimeParams, map[string]string{
		"statement_timeout": "5s", "idle_in_transaction_session_timeout": "10s",
	})
	pool := stdlib.OpenDB(*config)
	pool.SetMaxOpenConns(maxConns)
	pool.SetMaxIdleConns(maxConns)
	probe.SetMaxOpenConns(1)
	for _, p := range []*sql.DB{pool, probe} {
		p.SetConnMaxLifetime(connMaxLifetime)
	}
	db := &DB{reader: pool, queries: pool, writer: pool, probe: probe, migrations: migrations, system: postgresSystem}
	db.attributes = []attribute.KeyValue{
		semconv.DBSystemNamePostgreSQL,
		semconv.DBNamespace(config.Database),
		semconv.ServerAddress(config.Host),
		semconv.ServerPort(int(config.Port)),
	}
	return db, nil
}

// setDefaults sets the parameters that the URL does not set.
func setDefaults(params, defaults map[string]string) {
	for name, value := range defaults {
		if params[name] == "" {
			params[name] = value
		}
	}
}
