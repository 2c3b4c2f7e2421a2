package database

import (
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
	for name, value := range map[string]string{
		"application_name":                    "tandem",
		"timezone":                            "UTC",
		"statement_timeout":                   "5s",
		"idle_in_transaction_session_timeout": "10s",
	} {
		if config.RuntimeParams[name] == "" {
			config.RuntimeParams[name] = value
		}
	}
	pool := stdlib.OpenDB(*config)
	pool.SetMaxOpenConns(maxConnections)
	pool.SetMaxIdleConns(maxConnections)
	pool.SetConnMaxLifetime(connectionLives)
	return &DB{reader: pool, writer: pool, system: postgresSystem, attributes: []attribute.KeyValue{
		attribute.String("db.system.name", postgresSystem),
		attribute.String("db.namespace", config.Database),
		attribute.String("server.address", config.Host),
		attribute.Int("server.port", int(config.Port)),
	}}, nil
}
