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

// comesBack reports whether an error says that the database is away for a
// while, rather than that it refuses what was asked.
func comesBack(err error) bool {
	if pg, ok := errors.AsType[*pgconn.PgError](err); ok {
		return serverAway(pg.Code)
	}
	if name, ok := errors.AsType[*net.DNSError](err); ok {
		return !name.IsNotFound
	}
	if _, ok := errors.AsType[*pgconn.ConnectError](err); ok {
		return true
	}
	if _, ok := errors.AsType[net.Error](err); ok {
		return true
	}
	return isBusy(err) || errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) ||
		errors.Is(err, driver.ErrBadConn) || errors.Is(err, sql.ErrConnDone) || errors.Is(err, context.DeadlineExceeded)
}

// serverAway knows the codes by which a server says that it cannot serve now
// (https://www.postgresql.org/docs/current/errcodes-appendix.html).
func serverAway(code string) bool {
	return strings.HasPrefix(code, "08") || // connection exceptions
		strings.HasPrefix(code, "53") || // too few resources, such as connections
		strings.HasPrefix(code, "57P") || // shutting down or starting up
		code == "57014" || // statement timeout
		code == "25006" // read-only: a standby, before its promotion
}

func isBusy(err error) bool {
	lite, ok := errors.AsType[*sqlite.Error](err)
	return ok && (lite.Code()&0xff == sqlite3.SQLITE_BUSY || lite.Code()&0xff == sqlite3.SQLITE_LOCKED)
}

// asFailure says of an error that the database is away, where it is.
func asFailure(err error) error {
	if !comesBack(err) {
		return err
	}
	return failure.New(failure.Unavailable, "The database does not answer; try again shortly.").Because(err)
}
