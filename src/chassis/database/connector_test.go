package database

import (
	"context"
	"database/sql/driver"
	"net"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5/stdlib"
	"github.com/stretchr/testify/require"

	"tandem/src/chassis/settings"
	"tandem/src/testkit/postgrestest"
)

// silentHost returns the address of a listener that says nothing, and a channel that is
// closed when it has accepted a connection.
func silentHost(t *testing.T) (address string, accepted <-chan struct{}) {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	t.Cleanup(func() { _ = listener.Close() })
	done := make(chan struct{})
	go func() {
		if conn, err := listener.Accept(); err == nil {
			t.Cleanup(func() { _ = conn.Close() })
			close(done)
		}
	}()
	return listener.Addr().String(), done
}

func TestConnector(t *testing.T) {
	t.Run("discards a connection that is made while connections are replaced", func(t *testing.T) {
		silent, accepted := silentHost(t)
		url := strings.Replace(postgrestest.URL(t), "@", "@"+silent+",", 1)
		s := &source{url: settings.ConnString(url + "?sslmode=disable&connect_timeout=1")}
		type result struct {
			conn driver.Conn
			err  error
		}
		connected := make(chan result, 1)
		go func() {
			conn, err := (&connector{source: s}).Connect(context.WithoutCancel(t.Context()))
			connected <- result{conn, err}
		}()
		<-accepted
		require.True(t, s.useWithoutPrepared())
		made := <-connected
		require.NoError(t, made.err)
		defer made.conn.Close()
		require.ErrorIs(t, made.conn.(*stdlib.Conn).ResetSession(t.Context()), driver.ErrBadConn)

		next, err := (&connector{source: s}).Connect(t.Context())
		require.NoError(t, err)
		defer next.Close()
		require.NoError(t, next.(*stdlib.Conn).ResetSession(t.Context()))
	})

	t.Run("stays with a host when a caller has gone", func(t *testing.T) {
		silent, accepted := silentHost(t)
		other, _ := silentHost(t)
		s := &source{url: settings.ConnString("postgres://me@" + silent + "," + other + "/x?sslmode=disable")}
		ctx, cancel := context.WithCancel(t.Context())
		go func() {
			<-accepted
			cancel()
		}()
		_, err := (&connector{source: s}).Connect(ctx)
		require.Error(t, err)
		require.Zero(t, s.first.Load())
	})
}
