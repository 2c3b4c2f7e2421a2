// Package servicetest runs a complete service inside a test and sends requests
// to it over HTTP.
package servicetest

import (
	"context"
	"io"
	"net"
	"net/url"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"tandem/src/chassis/settings"
	"tandem/src/testkit/postgrestest"
	"tandem/src/testkit/telemetrytest"
)

// timeout limits how long a test waits for a service to start or to stop.
const timeout = 30 * time.Second

// Service is a running service.
type Service struct {
	URL  string // base URL
	Log  *telemetrytest.Log
	stop context.CancelFunc
	done chan error
}

// Start runs a service until Stop or the end of the test. The service must
// listen on port 0. Start returns when the service listens.
func Start(t testing.TB, run func(ctx context.Context, stdout io.Writer) error) *Service {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	s := &Service{Log: new(telemetrytest.Log), stop: cancel, done: make(chan error, 1)}
	go func() { s.done <- run(ctx, s.Log) }()
	t.Cleanup(func() {
		cancel()
		select {
		case err := <-s.done:
			_ = err // a test that needs the error calls Stop
		case <-time.After(timeout):
			t.Error("the service did not stop")
		}
	})
	s.URL = "http://" + s.await(t, "listening")
	return s
}

// StartReady is like Start, but returns when the service is ready.
func StartReady(t testing.TB, run func(ctx context.Context, stdout io.Writer) error) *Service {
	t.Helper()
	s := Start(t, run)
	s.await(t, "ready")
	return s
}

// Stop stops the service and returns its error. It may be called more than once.
func (s *Service) Stop() error {
	s.stop()
	err := <-s.done
	s.done <- err
	return err
}

// await waits for a log line with the given message and returns its address.
func (s *Service) await(t testing.TB, message string) (address string) {
	t.Helper()
	for deadline := time.Now().Add(timeout); time.Now().Before(deadline); time.Sleep(2 * time.Millisecond) {
		if lines := s.Log.Lines(t, message); len(lines) > 0 {
			listening, _ := lines[0]["address"].(string)
			_, port, _ := net.SplitHostPort(listening)
			return net.JoinHostPort("127.0.0.1", port)
		}
		if len(s.done) > 0 {
			err := <-s.done
			s.done <- err
			require.NoError(t, err, "the service stopped: %s", s.Log)
		}
	}
	require.Fail(t, "the service has not logged a message", "%s: %s", message, s.Log)
	return ""
}

// OnBothDatabases runs a test once on SQLite and once on PostgreSQL, each time
// with the settings of a service that has an empty database.
func OnBothDatabases(t *testing.T, test func(t *testing.T, config settings.Service)) {
	t.Run("SQLite", func(t *testing.T) { test(t, SQLite(t)) })
	t.Run("PostgreSQL", func(t *testing.T) { test(t, Postgres(t)) })
}

// SQLite returns the settings of a service on an empty SQLite store: the
// defaults, a free port and level debug.
func SQLite(t testing.TB) settings.Service {
	t.Helper()
	var config settings.Service
	require.NoError(t, settings.Defaults(&config))
	config.DataDir, config.ShutdownTimeout, config.LogLevel = t.TempDir(), 5*time.Second, "debug"
	return config
}

// Postgres returns the settings of a service on an empty PostgreSQL database.
func Postgres(t testing.TB) settings.Service {
	config := SQLite(t)
	config.DatabaseURL = settings.ConnString(postgrestest.URL(t))
	return config
}

// QueryModes are the ways in which the driver of PostgreSQL can send a statement: the
// values of default_query_exec_mode in DATABASE_URL.
func QueryModes() []string {
	return []string{"cache_statement", "cache_describe", "describe_exec", "exec", "simple_protocol"}
}

// Unreachable returns the settings of a service whose database refuses
// connections.
func Unreachable(t testing.TB) settings.Service {
	config := SQLite(t)
	config.DatabaseURL = "postgres://nobody@127.0.0.1:1/none"
	return config
}

// URL parses the URL of a setting.
func URL(t testing.TB, text string) settings.URL {
	t.Helper()
	parsed, err := url.Parse(text)
	require.NoError(t, err)
	return settings.URL{URL: parsed}
}

// NoEnv returns no environment variables; it stands in for os.Getenv.
func NoEnv(string) string { return "" }
