package database

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"io"
	"net"
	"strings"

	"github.com/jackc/pgx/v5/pgconn"
	"modernc.org/sqlite"
	sqlite3 "modernc.org/sqlite/lib"

	"tandem/src/chassis/failure"
)

// IsDuplicate reports whether a write would have broken a unique key.
func IsDuplicate(err error) bool {
	if pg, ok := errors.AsType[*pgconn.PgError](err); ok {
		return pg.Code == "23505"
	}
	if lite, ok := errors.AsType[*sqlite.Error](err); ok {
		return lite.Code() == sqlite3.SQLITE_CONSTRAINT_UNIQUE || lite.Code() == sqlite3.SQLITE_CONSTRAINT_PRIMARYKEY
	}
	return false
}

// mayRetry reports whether the database gave a transaction up in favour of
// another, so that the same transaction may succeed when it is run again.
func mayRetry(err error) bool {
	if pg, ok := errors.AsType[*pgconn.PgError](err); ok {
		return pg.Code == "40001" || pg.Code == "40P01" // serialization failure, deadlock
	}
	return isBusy(err)
}

// worthWaiting reports whether an error at the start says that the database
// will be there later, rather than that the address or the login is wrong.
func worthWaiting(err error) bool {
	if pg, ok := errors.AsType[*pgconn.PgError](err); ok {
		return serverAway(pg.Code)
	}
	if name, ok := errors.AsType[*net.DNSError](err); ok && name.IsNotFound {
		return false
	}
	return unreached(err) || errors.Is(err, errFileInUse)
}

// away reports whether an error during service says that the database cannot
// serve now. What was right at the start may be wrong for a while: a headless
// Service without a ready pod has no address.
func away(err error) bool {
	if unreached(err) {
		return true
	}
	if pg, ok := errors.AsType[*pgconn.PgError](err); ok {
		return serverAway(pg.Code) || pg.Code == "57014" // statement timeout
	}
	if lite, ok := errors.AsType[*sqlite.Error](err); ok {
		switch lite.Code() & 0xff {
		case sqlite3.SQLITE_FULL, sqlite3.SQLITE_IOERR, sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_INTERRUPT:
			return true
		}
	}
	return errors.Is(err, context.DeadlineExceeded) || errors.Is(err, sql.ErrTxDone)
}

// unreached reports whether a connection could not be made, or broke.
func unreached(err error) bool {
	if _, ok := errors.AsType[*pgconn.ConnectError](err); ok {
		return true
	}
	if _, ok := errors.AsType[net.Error](err); ok {
		return true
	}
	return isBusy(err) || pgconn.SafeToRetry(err) || errors.Is(err, pgconn.ErrConnClosed) ||
		errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) ||
		errors.Is(err, driver.ErrBadConn) || errors.Is(err, sql.ErrConnDone)
}

// serverAway knows the codes by which a server says that it cannot serve now
// (https://www.postgresql.org/docs/current/errcodes-appendix.html).
func serverAway(code string) bool {
	return strings.HasPrefix(code, "08") || // connection exceptions
		strings.HasPrefix(code, "53") || // too few resources, such as connections
		strings.HasPrefix(code, "57P") || // shutting down or starting up
		code == "25006" // read-only: a standby, before its promotion
}

func isBusy(err error) bool {
	lite, ok := errors.AsType[*sqlite.Error](err)
	return ok && (lite.Code()&0xff == sqlite3.SQLITE_BUSY || lite.Code()&0xff == sqlite3.SQLITE_LOCKED)
}

// asFailure says of an error that the database is away, where it is.
func asFailure(err error) error {
	if !away(err) {
		return err
	}
	return failure.New(failure.Unavailable, "The database does not answer; try again shortly.").WithCause(err)
}
