package database

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"maps"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/stdlib"
)

// limits returns the parameters by which the server itself ends a statement or a
// transaction that the service has abandoned. A pooler may refuse them; then only the
// contexts of the operations limit their time.
func limits() map[string]string {
	return map[string]string{"statement_timeout": "5s", "idle_in_transaction_session_timeout": "10s"}
}

// connector makes the connections of a pool, as the source says at that moment.
type connector struct {
	source *source
	params map[string]string
}

// open returns a pool whose connections have the parameters of params, unless the
// source sets them.
func (s *source) open(params map[string]string) (*sql.DB, error) {
	if _, err := s.read(params); err != nil {
		return nil, err
	}
	return sql.OpenDB(&connector{source: s, params: params}), nil
}

// Driver implements driver.Connector.
func (c *connector) Driver() driver.Driver { return stdlib.GetDefaultDriver() }

// Connect connects to the first host that accepts. All connections begin with the same
// host: the one that has accepted last, or the next one after a failure. So a host that
// never answers costs one attempt.
func (c *connector) Connect(ctx context.Context) (driver.Conn, error) {
	conn, err := c.connect(ctx)
	pgErr, ok := errors.AsType[*pgconn.PgError](err)
	full := ok && strings.HasPrefix(pgErr.Code, pgInsufficientResources)
	if err == nil || !full && ctx.Err() == nil {
		c.source.refused.Store(err != nil)
	}
	return conn, err
}

func (c *connector) connect(ctx context.Context) (driver.Conn, error) {
	generation := c.source.generation.Load() // before what the connection depends on
	config, err := c.source.read(c.parameters())
	if err != nil {
		return nil, err
	}
	hosts := splitHosts(config)
	var failed hostsError
	for range hosts {
		first := c.source.first.Load()
		conn, err := c.dial(ctx, hosts[first%int64(len(hosts))], generation)
		if err == nil {
			return conn, nil
		}
		if !errors.Is(ctx.Err(), context.Canceled) { // a caller that has gone says nothing about the host
			c.source.first.CompareAndSwap(first, first+1)
		}
		if failed = append(failed, err); ctx.Err() != nil {
			break
		}
	}
	if len(failed) == 1 {
		return nil, failed[0]
	}
	return nil, failed
}

// parameters returns the parameters without those that a pooler has refused.
func (c *connector) parameters() map[string]string {
	if !c.source.unlimited.Load() {
		return c.params
	}
	left := maps.Clone(c.params)
	maps.DeleteFunc(left, func(name, _ string) bool { _, isLimit := limits()[name]; return isLimit })
	return left
}

// dial connects to one host. The connection is used only while its generation is the
// present one.
func (c *connector) dial(ctx context.Context, config *pgx.ConnConfig, generation int64) (driver.Conn, error) {
	const key = "generation"
	connector := stdlib.GetConnector(*config,
		stdlib.OptionAfterConnect(func(_ context.Context, conn *pgx.Conn) error {
			conn.PgConn().CustomData()[key] = generation
			return nil
		}),
		stdlib.OptionResetSession(func(_ context.Context, conn *pgx.Conn) error {
			if conn.PgConn().CustomData()[key] != c.source.generation.Load() {
				return driver.ErrBadConn
			}
			return nil
		}))
	conn, err := connector.Connect(ctx)
	if c.refusesLimits(err) {
		c.source.unlimited.Store(true)
		for name := range limits() {
			delete(config.RuntimeParams, name)
		}
		return connector.Connect(ctx)
	}
	return conn, err
}

// refusesLimits reports whether a pooler has refused a connection because of one of
// the limits.
func (c *connector) refusesLimits(err error) bool {
	pgErr, ok := errors.AsType[*pgconn.PgError](err)
	if !ok || !strings.Contains(pgErr.Message, "startup parameter") {
		return false
	}
	for name := range limits() {
		if c.params[name] != "" && strings.Contains(pgErr.Message, name) {
			return true
		}
	}
	return false
}

// discardInterval is the shortest time between two generations of connections, so that
// an error that new connections have too does not keep all of them from use.
const discardInterval = time.Second

// discard lets every connection that exists be closed instead of used again.
func (s *source) discard() {
	now, last := time.Now().UnixMilli(), s.discarded.Load()
	if now-last >= discardInterval.Milliseconds() && s.discarded.CompareAndSwap(last, now) {
		s.generation.Add(1)
	}
}

// useWithoutPrepared makes new connections use no prepared statements, because a
// pooler does not keep them, and discards the others. It reports whether they did.
func (s *source) useWithoutPrepared() bool {
	if s.pooled.Swap(true) {
		return false
	}
	s.generation.Add(1)
	return true
}

// splitHosts returns a configuration for each host, in their order. What pgx tries for
// one host, such as TLS and then no TLS, stays together.
func splitHosts(config *pgx.ConnConfig) []*pgx.ConnConfig {
	fallbacks := config.Fallbacks
	hosts := []*pgx.ConnConfig{config.Copy()}
	hosts[0].Fallbacks = nil
	for _, next := range fallbacks {
		last := hosts[len(hosts)-1]
		if next.Host == last.Host && next.Port == last.Port {
			last.Fallbacks = append(last.Fallbacks, next)
			continue
		}
		host := config.Copy()
		host.Host, host.Port, host.TLSConfig, host.Fallbacks = next.Host, next.Port, next.TLSConfig, nil
		hosts = append(hosts, host)
	}
	return hosts
}

// requireWritable makes a connection to one of several hosts fail unless its server
// takes writes: target_session_attrs=read-write, which is the default of the services
// and not that of libpq, since they write.
func requireWritable(config *pgx.ConnConfig) {
	if len(splitHosts(config)) > 1 && config.ValidateConnect == nil {
		config.ValidateConnect = pgconn.ValidateConnectTargetSessionAttrsReadWrite
	}
}

// hostsError is the error of an attempt to connect to several hosts.
type hostsError []error

func (e hostsError) Error() string { return errors.Join(e...).Error() }

// Unwrap returns the errors, one for each host.
func (e hostsError) Unwrap() []error { return e }
