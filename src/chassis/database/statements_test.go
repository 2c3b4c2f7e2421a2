package database

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestStatements(t *testing.T) {
	t.Run("keep one for a text that several callers miss at once", func(t *testing.T) {
		open := 0
		pool := sql.OpenDB(countingConn{&open})
		defer pool.Close()
		s := newStatements(pool)
		const query = "SELECT 1"
		for range 3 {
			s.missed = []string{query} // as after a get that another caller's prepareMissed has overtaken
			s.prepareMissed(t.Context())
		}
		require.Equal(t, 1, open)
		require.NotNil(t, s.get(query))
	})
}

// countingConn is a connection that counts its open statements, and its own connector.
type countingConn struct{ open *int }

func (c countingConn) Connect(context.Context) (driver.Conn, error) { return c, nil }
func (countingConn) Driver() driver.Driver                          { return nil }
func (countingConn) Begin() (driver.Tx, error)                      { return nil, errors.ErrUnsupported }
func (countingConn) Close() error                                   { return nil }

func (c countingConn) Prepare(string) (driver.Stmt, error) {
	*c.open++
	return countingStmt{open: c.open}, nil
}

type countingStmt struct {
	driver.Stmt
	open *int
}

func (s countingStmt) Close() error {
	*s.open--
	return nil
}
