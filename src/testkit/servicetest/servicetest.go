// Package servicetest runs a whole service inside a test and calls it over HTTP.
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

// patience bounds every wait for something that should happen soon.
const patience = 30 * time.Second

// Service is a service that runs.
type Service struct {
	URL  string // base URL
	Log  *telemetrytest.Log
	stop context.CancelFunc
	done chan error
}

// Start runs a service, which must listen on port 0, until Stop or the end of
// the test. It returns when the service listens.
func Start(t testing.TB, run func(ctx context.Context, stdout io.Writer) error) *Service {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	s := &Service{Log: new(telemetrytest.Log), stop: cancel, done: make(chan error, 1)}
	go func() { s.done <- run(ctx, s.Log) }()
	t.Cleanup(func() {
		cancel()
		select {
		case err := <-s.done:
			_ = err // the test has asked for it by Stop, or does not care
		case <-time.After(patience):
			t.Error("the service did not end")
		}
	})
	s.URL = "http://" + s.await(t, "listening")
	return s
}

// StartReady is Start, and waits until the service is ready.
func StartReady(t testing.TB, run func(ctx context.Context, stdout io.Writer) error) *Service {
	t.Helper()
	s := Start(t, run)
	s.await(t, "ready")
	return s
}

// Stop asks the service to end and returns its error.
func (s *Service) Stop() error {
	s.stop()
	err := <-s.done
	s.done <- err
	return err
}

// await returns the address of the log line with that message, once it is there.
func (s *Service) await(t testing.TB, message string) (address string) {
	t.Helper()
	for deadline := time.Now().Add(patience); time.Now().Before(deadline); time.Sleep(2 * time.Millisecond) {
		if lines := s.Log.Lines(t, message); len(lines) > 0 {
			listening, _ := lines[0]["address"].(string)
			_, port, _ := net.SplitHostPort(listening)
			return net.JoinHostPort("127.0.0.1", port)
		}
		if len(s.done) > 0 {
			err := <-s.done
			s.done <- err
			require.NoError(t, err, "the service ended: %s", s.Log)
		}
	}
	require.Fail(t, "the service did not get so far", "%s: %s", message, s.Log)
	return ""
}

// OnBoth runs a test with the settings of a service on an empty store of each
// kind.
func OnBoth(t *testing.T, test func(t *testing.T, config settings.Service)) {
	t.Run("SQLite", func(t *testing.T) { test(t, SQLite(t)) })
	t.Run("PostgreSQL", func(t *testing.T) { test(t, Postgres(t)) })
}

// SQLite are the settings of a service on an empty embedded store.
func SQLite(t testing.TB) settings.Service {
	return settings.Service{Common: settings.Common{
		DataDir: t.TempDir(), ShutdownTimeout: 5 * time.Second, MaxInFlight: 128, LogLevel: "debug",
	}}
}

// Postgres are the settings of a service on an empty PostgreSQL database.
func Postgres(t testing.TB) settings.Service {
	config := SQLite(t)
	config.DatabaseURL = URL(t, postgrestest.URL(t))
	return config
}

// Unreachable are the settings of a service whose database does not answer.
func Unreachable(t testing.TB) settings.Service {
	config := SQLite(t)
	config.DatabaseURL = URL(t, "postgres://nobody@127.0.0.1:1/none")
	return config
}

// URL is a text as the URL of a setting.
func URL(t testing.TB, text string) settings.URL {
	t.Helper()
	u, err := url.Parse(text)
	require.NoError(t, err)
	return settings.URL{URL: u}
}

// NoEnv is an empty environment.
func NoEnv(string) string { return "" }
