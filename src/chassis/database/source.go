package database

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strings"
	"sync/atomic"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/stdlib"

	"tandem/src/chassis/settings"
)

// source says how to connect to PostgreSQL. It is read anew for each connection,
// so that a rotated password or certificate needs no restart.
type source struct {
	url  settings.ConnString
	file string // has the connection string, if it is not empty; url is empty then
	// refused is whether the last attempt to connect has failed for another reason
	// than a limit on the number of connections or the end of its context.
	refused atomic.Bool
}

// sourceError is the error of a source that cannot be read or understood.
type sourceError struct{ err error }

func (e *sourceError) Error() string { return e.err.Error() }

func (e *sourceError) Unwrap() error { return e.err }

// newSource returns the source that a Config has, or nil for SQLite.
func newSource(config Config) (*source, error) {
	if config.URLFile != "" && config.URL != "" {
		return nil, settings.Usagef("DATABASE_URL and DATABASE_URL_FILE are both set: unset one of them")
	}
	if config.URLFile == "" && config.URL == "" {
		return nil, nil
	}
	return &source{url: config.URL, file: config.URLFile}, nil
}

// name returns the setting that has the connection string, with its value.
func (s *source) name() string {
	if s.file != "" {
		return fmt.Sprintf("DATABASE_URL_FILE=%q", s.file)
	}
	return fmt.Sprintf("DATABASE_URL=%q", s.url)
}

// connString returns the connection string. Its error is a sourceError.
func (s *source) connString() (settings.ConnString, error) {
	if s.file == "" {
		return s.url, nil
	}
	text, err := os.ReadFile(s.file)
	if pathErr, ok := errors.AsType[*fs.PathError](err); ok {
		return "", &sourceError{fmt.Errorf("%s is not usable: give a file that the service can read: %w", s.name(), pathErr.Err)}
	}
	url, ok := settings.ParseConnString(string(text))
	if err != nil || !ok || url == "" {
		return "", &sourceError{fmt.Errorf("%s is not usable: the file must have a URL like %s, without quotes", s.name(), urlExample)}
	}
	return url, nil
}

const urlExample = "postgres://user:password@host:5432/database"

// read returns the present configuration of a connection, with the parameters of
// params that it does not set. Its error is a sourceError; it contains no password.
func (s *source) read(params map[string]string) (*pgx.ConnConfig, error) {
	url, err := s.connString()
	if err != nil {
		return nil, err
	}
	config, err := pgx.ParseConfig(url.Raw())
	if err != nil {
		return nil, &sourceError{fmt.Errorf("%s is not usable: %s: give a URL like %s", s.name(), url.Mask(parseCause(url, err)), urlExample)}
	}
	if config.ConnectTimeout == 0 {
		config.ConnectTimeout = connectTimeout
	}
	setDefaults(config.RuntimeParams, params)
	return config, nil
}

// parseCause returns the cause of an error of pgx.ParseConfig, without the connection
// string that pgx repeats in front of it.
func parseCause(url settings.ConnString, err error) string {
	text := err.Error()
	if parseErr, ok := errors.AsType[*pgconn.ParseConfigError](err); ok && parseErr.Unwrap() != nil {
		return parseErr.Unwrap().Error()
	}
	if i := strings.LastIndex(text, "`: "); i >= 0 {
		return text[i+len("`: "):]
	}
	return url.Mask(text)
}

// open returns a pool whose connections have the parameters of params.
func (s *source) open(params map[string]string) (*sql.DB, error) {
	config, err := s.read(params)
	if err != nil {
		return nil, err
	}
	return sql.OpenDB(&connector{source: s, Connector: stdlib.GetConnector(*config,
		stdlib.OptionBeforeConnect(func(_ context.Context, next *pgx.ConnConfig) error {
			fresh, err := s.read(params)
			if err == nil {
				*next = *fresh
			}
			return err
		}))}), nil
}

// connector connects to PostgreSQL and notes whether that succeeds.
type connector struct {
	driver.Connector
	source *source
}

// Connect connects as the source says at this moment.
func (c *connector) Connect(ctx context.Context) (driver.Conn, error) {
	conn, err := c.Connector.Connect(ctx)
	pgErr, ok := errors.AsType[*pgconn.PgError](err)
	full := ok && strings.HasPrefix(pgErr.Code, pgInsufficientResources)
	if err == nil || !full && ctx.Err() == nil {
		c.source.refused.Store(err != nil)
	}
	return conn, err
}
