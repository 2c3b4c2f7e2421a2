package database

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5/pgconn"
	"go.opentelemetry.io/otel/codes"
	semconv "go.opentelemetry.io/otel/semconv/v1.43.0"
	"go.opentelemetry.io/otel/trace"

	"tandem/src/chassis/timing"
)

const (
	operationTimeout = 5 * time.Second // limit for all attempts of an operation together
	maxAttempts      = 5               // limit for an operation that fails with retryable errors
)

// Querier runs SQL, inside or outside a transaction.
type Querier interface {
	ExecContext(ctx context.Context, query string, args ...any) (sql.Result, error)
	QueryContext(ctx context.Context, query string, args ...any) (*sql.Rows, error)
	QueryRowContext(ctx context.Context, query string, args ...any) *sql.Row
}

// Op names an operation in its span and in its errors.
type Op struct {
	Name  string // the SQL command, such as SELECT
	Table string
}

// OpFunc runs the statements of one operation. It may be called several times, so
// it must not keep results of a call that fails.
type OpFunc func(ctx context.Context, q Querier) error

// Read runs statements that change nothing, outside a transaction.
//
// Read, Exec and Write take at most 5 s. If the database aborts fn because of a
// concurrent transaction, or was not reached because the connection is lost or out of
// date, they call fn again, up to five times in all; Read also if it was reached. They
// return failure.Unavailable if the database is unavailable, and otherwise the
// error of fn or of the database. The failure is Uncertain if the answer to the
// commit is missing, so that the changes may be stored.
func (db *DB) Read(ctx context.Context, op Op, fn OpFunc) error {
	return db.run(ctx, op, isStale, func(ctx context.Context) error { return fn(ctx, db.queries) })
}

// Exec runs one statement in a transaction of its own. When Exec returns nil, the
// change is durable. For its limits and errors see Read.
func (db *DB) Exec(ctx context.Context, op Op, fn OpFunc) error {
	return db.run(ctx, op, isStaleBeforeWrite, func(ctx context.Context) error { return db.execute(ctx, fn) })
}

// execute runs one statement in a transaction of its own.
func (db *DB) execute(ctx context.Context, fn OpFunc) error {
	if db.groupCommitter != nil {
		return db.groupCommitter.do(ctx, fn)
	}
	return commitError(fn(ctx, db.writer))
}

// Write runs any number of statements in one transaction. When Write returns
// nil, the changes are durable; otherwise there are none, unless the failure
// is Uncertain. For its limits and errors see Read.
func (db *DB) Write(ctx context.Context, op Op, fn OpFunc) error {
	return db.run(ctx, op, isStaleBeforeWrite, func(ctx context.Context) error { return db.transact(ctx, fn) })
}

// WriteLocked is Write with a lock on the operation's table: until the transaction
// ends, no other one changes it.
func (db *DB) WriteLocked(ctx context.Context, op Op, fn OpFunc) error {
	return db.Write(ctx, op, func(ctx context.Context, q Querier) error {
		if db.system == postgresSystem { // SQLite runs one writing transaction at a time
			if _, err := q.ExecContext(ctx, "LOCK TABLE "+op.Table+" IN SHARE ROW EXCLUSIVE MODE"); err != nil {
				return err
			}
		}
		return fn(ctx, q)
	})
}

// run calls attempt within the operation's timeout and span. It calls it again if another
// transaction was the cause of the error, or if a connection was and mayRepeat holds.
func (db *DB) run(ctx context.Context, op Op, mayRepeat func(error) bool, attempt func(context.Context) error) error {
	if t := timing.FromContext(ctx); t != nil {
		defer t.AddStore(time.Now())
	}
	ctx, cancel := context.WithTimeout(ctx, operationTimeout)
	defer cancel()
	ctx, span := db.startSpan(ctx, op)
	err := attempt(ctx)
	for n := 1; n < maxAttempts && (db.replaceStale(err) && mayRepeat(err) || isRetryable(err)) && ctx.Err() == nil; n++ {
		err = attempt(ctx)
	}
	endSpan(span, err)
	if err != nil {
		return db.noteWrite(asFailure(fmt.Errorf("%s %s: %w", op.Name, op.Table, err)))
	}
	return nil
}

// replaceStale has the connections to PostgreSQL replaced if isStale holds for an error,
// and reports whether it does.
func (db *DB) replaceStale(err error) bool {
	if db.source == nil || !isStale(err) {
		return false
	}
	if pgErr, ok := errors.AsType[*pgconn.PgError](err); ok && lacksStatement(pgErr) && db.source.useWithoutPrepared() {
		return true
	}
	db.source.discard()
	return true
}

// transact runs fn in a transaction of its own and commits it.
func (db *DB) transact(ctx context.Context, fn OpFunc) error {
	if db.groupCommitter != nil {
		return db.groupCommitter.do(ctx, fn)
	}
	tx, err := db.writer.BeginTx(ctx, nil)
	if err != nil {
		return &beginError{err}
	}
	if err := fn(ctx, tx); err != nil {
		_ = tx.Rollback() // fails if the connection is lost; then the server rolls back
		return err
	}
	if err := ctx.Err(); err != nil {
		return err // the transaction is rolled back; after this point the outcome would be unknown
	}
	return commitError(tx.Commit())
}

// startSpan starts the client span of an operation, following OpenTelemetry's
// database conventions (https://opentelemetry.io/docs/specs/semconv/db/database-spans/).
// If the parent span is not recorded, there is nothing to record: the span is nil.
func (db *DB) startSpan(ctx context.Context, op Op) (context.Context, trace.Span) {
	if !trace.SpanFromContext(ctx).IsRecording() {
		return ctx, nil
	}
	return db.tracer.Start(ctx, op.Name+" "+op.Table, trace.WithSpanKind(trace.SpanKindClient),
		trace.WithAttributes(db.attributes...),
		trace.WithAttributes(semconv.DBOperationName(op.Name), semconv.DBCollectionName(op.Table)))
}

// endSpan ends the span of an operation, if there is one, and records err. A
// missing row (sql.ErrNoRows) is a result, not an error of the span.
func endSpan(span trace.Span, err error) {
	if span == nil {
		return
	}
	if err != nil && !errors.Is(err, sql.ErrNoRows) {
		span.SetAttributes(semconv.ErrorTypeKey.String(fmt.Sprintf("%T", err)))
		span.SetStatus(codes.Error, err.Error())
	}
	span.End()
}

// Now returns the current time in UTC, truncated to microseconds: the precision
// that both databases store.
func Now() time.Time { return time.Now().UTC().Truncate(time.Microsecond) }
