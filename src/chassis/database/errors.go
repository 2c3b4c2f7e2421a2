package database

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"io"
	"net"
	"strings"
	"syscall"

	"github.com/jackc/pgx/v5/pgconn"
	"modernc.org/sqlite"
	sqlite3 "modernc.org/sqlite/lib"

	"tandem/src/chassis/failure"
)

// PostgreSQL error codes
// (https://www.postgresql.org/docs/current/errcodes-appendix.html).
const (
	pgUniqueViolation      = "23505"
	pgReadOnlyTransaction  = "25006"
	pgSerializationFailure = "40001"
	pgDeadlockDetected     = "40P01"
	pgQueryCanceled        = "57014" // a statement took longer than statement_timeout

	pgFeatureNotSupported = "0A000" // among others: a plan whose result has another type since it was made
	pgDatatypeMismatch    = "42804" // among others: a plan inside a function, after a column has changed its type
	pgUnknownStatement    = "26000" // a prepared statement that the server connection does not have
	pgDuplicateStatement  = "42P05" // a prepared statement that another client has left there

	pgPanic = "PANIC" // severity: the server ends, and reads its write-ahead log when it starts

	pgConnectionException   = "08"  // prefix: a class of codes
	pgInsufficientResources = "53"  // prefix: a class of codes, such as too many connections
	pgShutdown              = "57P" // prefix of the codes of a server that shuts down or starts up
)

// IsDuplicate reports whether err means that a statement violated a unique
// constraint or a primary key.
func IsDuplicate(err error) bool {
	if pgErr, ok := errors.AsType[*pgconn.PgError](err); ok {
		return pgErr.Code == pgUniqueViolation
	}
	if sqliteErr, ok := errors.AsType[*sqlite.Error](err); ok {
		return sqliteErr.Code() == sqlite3.SQLITE_CONSTRAINT_UNIQUE || sqliteErr.Code() == sqlite3.SQLITE_CONSTRAINT_PRIMARYKEY
	}
	return false
}

// isStale reports whether the cause of an error is the connection, so that a new one
// would not have it: it is lost, leads to a server that takes no writes any more, or
// has plans of an earlier schema.
func isStale(err error) bool {
	if _, ok := errors.AsType[*pgconn.ConnectError](err); ok {
		return false // it was new
	}
	if pgErr, ok := errors.AsType[*pgconn.PgError](err); ok {
		return hasOldState(pgErr) || strings.HasPrefix(pgErr.Code, pgShutdown)
	}
	if netErr, ok := errors.AsType[net.Error](err); ok && netErr.Timeout() {
		return false
	}
	_, isNet := errors.AsType[*net.OpError](err)
	return isNet || pgconn.SafeToRetry(err) || errors.Is(err, pgconn.ErrConnClosed) ||
		errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, driver.ErrBadConn)
}

// hasOldState reports whether the server has rejected a statement because of what the
// connection has kept from earlier.
func hasOldState(err *pgconn.PgError) bool {
	switch err.Code {
	case pgReadOnlyTransaction, pgDatatypeMismatch:
		return true
	case pgFeatureNotSupported:
		return strings.Contains(err.Message, "cached plan")
	}
	return lacksStatement(err)
}

// lacksStatement reports whether the server connection does not have the prepared
// statements of the client: a pooler has given it another one.
func lacksStatement(err *pgconn.PgError) bool {
	return err.Code == pgUnknownStatement || err.Code == pgDuplicateStatement
}

// beginError is the error of the begin of a transaction: nothing was executed.
type beginError struct{ error }

func (e *beginError) Unwrap() error { return e.error }

// isStaleBeforeWrite reports whether isStale holds, and the changes of the operation
// were certainly not executed.
func isStaleBeforeWrite(err error) bool {
	if !isStale(err) || isUncertain(err) {
		return false
	}
	if _, ok := errors.AsType[*beginError](err); ok {
		return true
	}
	pgErr, ok := errors.AsType[*pgconn.PgError](err)
	return ok && hasOldState(pgErr) || !ok && pgconn.SafeToRetry(err)
}

// isRetryable reports whether the database aborted a transaction because of a
// concurrent one, so that the same transaction may succeed when it runs again.
func isRetryable(err error) bool {
	if pgErr, ok := errors.AsType[*pgconn.PgError](err); ok {
		return pgErr.Code == pgSerializationFailure || pgErr.Code == pgDeadlockDetected
	}
	return isBusy(err)
}

// isUnavailable reports whether an error of an operation means that the
// database cannot serve at the moment, or not this statement: a SQLite file that is
// full, read-only or damaged takes no write.
func isUnavailable(err error) bool {
	if isConnError(err) {
		return true
	}
	if pgErr, ok := errors.AsType[*pgconn.PgError](err); ok {
		return isServerUnavailable(pgErr.Code) || pgErr.Code == pgQueryCanceled
	}
	if sqliteErr, ok := errors.AsType[*sqlite.Error](err); ok {
		switch sqliteErr.Code() & 0xff {
		case sqlite3.SQLITE_FULL, sqlite3.SQLITE_IOERR, sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_INTERRUPT,
			sqlite3.SQLITE_READONLY, sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB, sqlite3.SQLITE_PERM:
			return true
		}
	}
	return errors.Is(err, context.DeadlineExceeded) || errors.Is(err, sql.ErrTxDone) || errors.Is(err, errFileReplaced)
}

// uncertainError is the error of a change that the database may have stored: it got
// the commit, and its answer is missing. Such a change must not run again.
type uncertainError struct{ cause error }

func (e *uncertainError) Error() string {
	return "the outcome of the commit is unknown: " + e.cause.Error()
}
func (e *uncertainError) Unwrap() error { return e.cause }

// commitError returns the error of a commit, or of a statement that commits itself,
// as an uncertainError unless it says that nothing was stored.
func commitError(err error) error {
	if err == nil || !isUnanswered(err) {
		return err
	}
	return &uncertainError{err}
}

// isUncertain reports whether the change that failed with err may be stored.
func isUncertain(err error) bool {
	_, ok := errors.AsType[*uncertainError](err)
	return ok
}

// isUnanswered reports whether the database may have executed what failed with err.
// It has not if it has answered with an error, or never got the statement. But after an
// error of the write-ahead log (a PANIC, or SQLITE_IOERR) the log is read again, and the
// change may be in it.
func isUnanswered(err error) bool {
	if pgErr, ok := errors.AsType[*pgconn.PgError](err); ok {
		return pgErr.SeverityUnlocalized == pgPanic
	}
	if sqliteErr, ok := errors.AsType[*sqlite.Error](err); ok {
		return sqliteErr.Code()&0xff == sqlite3.SQLITE_IOERR
	}
	if _, ok := errors.AsType[*pgconn.ConnectError](err); ok || pgconn.SafeToRetry(err) || errors.Is(err, driver.ErrBadConn) {
		return false
	}
	if _, ok := errors.AsType[net.Error](err); ok && !errors.Is(err, context.DeadlineExceeded) {
		return true
	}
	// A deadline that passes before there is a connection is no Timeout of pgconn.
	return pgconn.Timeout(err) || errors.Is(err, context.Canceled) || errors.Is(err, pgconn.ErrConnClosed) ||
		errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF)
}

// isConnError reports whether a connection could not be established, was lost, or
// had to wait too long for a lock on the SQLite file.
func isConnError(err error) bool {
	if _, ok := errors.AsType[*pgconn.ConnectError](err); ok {
		return true
	}
	if _, ok := errors.AsType[*sourceError](err); ok {
		return true
	}
	if netErr, ok := errors.AsType[net.Error](err); ok {
		if _, isErrno := netErr.(syscall.Errno); !isErrno { // which may be that of a file
			return true
		}
	}
	return isBusy(err) || pgconn.SafeToRetry(err) || errors.Is(err, pgconn.ErrConnClosed) ||
		errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) ||
		errors.Is(err, driver.ErrBadConn) || errors.Is(err, sql.ErrConnDone)
}

// isServerUnavailable reports whether a PostgreSQL error code means that the
// server cannot serve at the moment. A standby is read-only until it is
// promoted.
func isServerUnavailable(code string) bool {
	return strings.HasPrefix(code, pgConnectionException) ||
		strings.HasPrefix(code, pgInsufficientResources) ||
		strings.HasPrefix(code, pgShutdown) ||
		code == pgReadOnlyTransaction
}

// isBusy reports whether a statement failed because another connection held a
// lock on the SQLite file. The low byte of an error code is the primary result
// code (https://sqlite.org/rescode.html).
func isBusy(err error) bool {
	sqliteErr, ok := errors.AsType[*sqlite.Error](err)
	return ok && (sqliteErr.Code()&0xff == sqlite3.SQLITE_BUSY || sqliteErr.Code()&0xff == sqlite3.SQLITE_LOCKED)
}

// asFailure returns a failure.Unavailable with err as its cause if the database is
// unavailable, which is Uncertain if the change may be stored, and otherwise err
// itself.
func asFailure(err error) error {
	if isUncertain(err) {
		return &failure.Error{
			Code: failure.Unavailable, Uncertain: true, Cause: err,
			Message: "The database did not confirm the change, which may have been stored; look before you send it again.",
		}
	}
	if !isUnavailable(err) {
		return err
	}
	return failure.New(failure.Unavailable, "The database does not answer; try again shortly.").WithCause(err)
}
