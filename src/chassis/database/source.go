package database

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strings"
	"sync/atomic"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

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

	first      atomic.Int64 // index of the host that is tried first
	generation atomic.Int64 // of the connections; those of an earlier one are closed instead of used
	discarded  atomic.Int64 // when discard has last acted, as Unix milliseconds
	pooled     atomic.Bool  // whether a pooler does not keep prepared statements
	unlimited  atomic.Bool  // whether a pooler has refused the limits among the parameters
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
	if s.pooled.Load() && config.DefaultQueryExecMode == pgx.QueryExecModeCacheStatement {
		config.DefaultQueryExecMode = pgx.QueryExecModeExec
	}
	setDefaults(config.RuntimeParams, params)
	requireWritable(config)
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
