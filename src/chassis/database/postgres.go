package database

import (
	"database/sql"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/stdlib"
	"go.opentelemetry.io/otel/attribute"

	"tandem/src/chassis/settings"
)

// Bounds of the PostgreSQL pool. Ten connections keep two cores busy and let
// ten replicas share a server's default of a hundred.
const (
	maxConnections  = 10
	connectTimeout  = 2 * time.Second
	connectionLives = 30 * time.Minute // so that a failover's new server is found
)

// openPostgres prepares a pool without connecting yet. What the URL says of
// timeouts wins over the bounds given here
// (https://www.postgresql.org/docs/current/runtime-config-client.html).
func openPostgres(address settings.URL) (*DB, error) {
	config, err := pgx.ParseConfig(address.Raw())
	if err != nil {
		// pgx's error may quote the password.
		return nil, fmt.Errorf("DATABASE_URL=%q is not usable: give a URL like postgres://user:password@host:5432/database", address)
	}
	if config.ConnectTimeout == 0 {
		config.ConnectTimeout = connectTimeout
	}
	setDefaults(config.RuntimeParams, map[string]string{"application_name": "tandem", "timezone": "UTC"})
	// A migration takes as long as it takes: its pool has no further bounds.
	migrations, probe := stdlib.OpenDB(*config.Copy()), stdlib.OpenDB(*config.Copy())
	setDefaults(config.RuntimeParams, map[string]string{
		"statement_timeout": "5s", "idle_in_transaction_session_timeout": "10s",
	})
	pool := stdlib.OpenDB(*config)
	pool.SetMaxOpenConns(maxConnections)
	pool.SetMaxIdleConns(maxConnections)
	for _, p := range []*sql.DB{pool, probe} {
		p.SetConnMaxLifetime(connectionLives)
	}
	probe.SetMaxOpenConns(1)
	return &DB{reader: pool, writer: pool, probe: probe, migrations: migrations, system: postgresSystem, attributes: []attribute.KeyValue{
		attribute.String("db.system.name", postgresSystem),
		attribute.String("db.namespace", config.Database),
		attribute.String("server.address", config.Host),
		attribute.Int("server.port", int(config.Port)),
	}}, nil
}

// setDefaults sets what the URL has not set.
func setDefaults(params, defaults map[string]string) {
	for name, value := range defaults {
		if params[name] == "" {
			params[name] = value
		}
	}
}
