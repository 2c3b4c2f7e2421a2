package database

import (
	"cmp"
	"database/sql"
	"fmt"
	"maps"
	"time"

	"go.opentelemetry.io/otel/attribute"
	semconv "go.opentelemetry.io/otel/semconv/v1.43.0"

	"tandem/src/chassis/settings"
)

const (
	// defaultMaxConns keeps two cores busy, and nine processes with it share the
	// default max_connections of a server, which is 100.
	defaultMaxConns = 10
	connectTimeout  = 2 * time.Second
)

// newPostgres creates the pools and does not connect yet. Timeouts in the URL
// (https://www.postgresql.org/docs/current/runtime-config-client.html) take
// precedence over the defaults that newPostgres sets.
func newPostgres(config Config, from *source) (*DB, error) {
	session := map[string]string{"application_name": "tandem", "timezone": "UTC"}
	parsed, err := from.read(session)
	if err != nil {
		return nil, &settings.UsageError{Err: err}
	}
	db := &DB{source: from, system: postgresSystem, attributes: []attribute.KeyValue{
		semconv.DBSystemNamePostgreSQL,
		semconv.DBNamespace(parsed.Database),
		semconv.ServerAddress(parsed.Host),
		semconv.ServerPort(int(parsed.Port)),
	}}
	limited := limits()
	maps.Copy(limited, session)
	// Migrations have no limits, as they may take as long as they need. Pings connect as
	// requests do.
	for _, pool := range []struct {
		into   **sql.DB
		params map[string]string
	}{{&db.migrations, session}, {&db.probe, limited}, {&db.writer, limited}} {
		if *pool.into, err = from.open(pool.params); err != nil {
			return nil, fmt.Errorf("open the pool of connections: %w", err)
		}
	}
	db.reader, db.queries = db.writer, db.writer
	maxConns := cmp.Or(config.MaxConns, defaultMaxConns)
	db.writer.SetMaxOpenConns(maxConns)
	db.writer.SetMaxIdleConns(maxConns)
	db.probe.SetMaxOpenConns(1)
	for _, p := range []*sql.DB{db.writer, db.probe} {
		p.SetConnMaxLifetime(config.ConnLifetime)
	}
	db.writer.SetConnMaxIdleTime(config.ConnIdleTime)
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
