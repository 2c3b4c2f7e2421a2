package database

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/trace"
)

// Bounds of one operation: how long it may take, and how often a transaction
// is run that the database gave up.
const (
	operationTimeout = 5 * time.Second
	maxAttempts      = 5
)

// Querier runs SQL, in a transaction or outside.
type Querier interface {
	ExecContext(ctx context.Context, query string, args ...any) (sql.Result, error)
	QueryContext(ctx context.Context, query string, args ...any) (*sql.Rows, error)
	QueryRowContext(ctx context.Context, query string, args ...any) *sql.Row
}

// Op names an operation for its span: what is done to which table.
type Op struct {
	Name  string // the SQL command, such as SELECT
	Table string
}

// TxFunc is what an operation does with the connection that it is given.
type TxFunc func(ctx context.Context, q Querier) error

// Read runs statements that change nothing. Like Write and WriteOne it returns
// a failure.Unavailable where the database is away.
func (db *DB) Read(ctx context.Context, op Op, work TxFunc) error {
	return db.run(ctx, op, func(ctx context.Context) error { return work(ctx, db.reader) })
}

// Exec runs one statement that is its own transaction.
func (db *DB) Exec(ctx context.Context, op Op, work TxFunc) error {
	return db.run(ctx, op, func(ctx context.Context) error {
		if db.group != nil {
			return db.group.do(ctx, work)
		}
		return work(ctx, db.writer)
	})
}

// Write runs statements in one transaction; again, when the database gave it
// up in favour of another, so work must not keep anything of a failed run.
func (db *DB) Write(ctx context.Context, op Op, work TxFunc) error {
	return db.run(ctx, op, func(ctx context.Context) error {
		if db.group != nil {
			return db.group.do(ctx, work)
		}
		return db.transact(ctx, work)
	})
}

func (db *DB) run(ctx context.Context, op Op, work func(context.Context) error) error {
	ctx, cancel := context.WithTimeout(ctx, operationTimeout)
	defer cancel()
	ctx, span := db.startSpan(ctx, op)
	err := work(ctx)
	for attempt := 1; attempt < maxAttempts && mayRetry(err) && ctx.Err() == nil; attempt++ {
		err = work(ctx)
	}
	endSpan(span, err)
	if err != nil {
		return asFailure(fmt.Errorf("%s %s: %w", op.Name, op.Table, err))
	}
	return nil
}

// Now is the time in the precision that both databases keep: microseconds.
func Now() time.Time { return time.Now().UTC().Truncate(time.Microsecond) }

func (db *DB) transact(ctx context.Context, work TxFunc) error {
	tx, err := db.writer.BeginTx(ctx, nil)
	if err != nil {
		return err
	}
	if err := work(ctx, tx); err != nil {
		// After a lost connection there is nothing left to roll back.
		_ = tx.Rollback()
		return err
	}
	return tx.Commit()
}

// startSpan begins a client span of an operation, by OpenTelemetry's database
// conventions (https://opentelemetry.io/docs/specs/semconv/db/database-spans/),
// where the trace is recorded.
func (db *DB) startSpan(ctx context.Context, op Op) (context.Context, trace.Span) {
	if !trace.SpanFromContext(ctx).IsRecording() {
		return ctx, nil
	}
	return db.tracer.Start(ctx, op.Name+" "+op.Table, trace.WithSpanKind(trace.SpanKindClient),
		trace.WithAttributes(db.attributes...),
		trace.WithAttributes(attribute.String("db.operation.name", op.Name), attribute.String("db.collection.name", op.Table)))
}

// endSpan ends an operation's span. That a row was not there is an answer.
func endSpan(span trace.Span, err error) {
	if span == nil {
		return
	}
	if err != nil && !errors.Is(err, sql.ErrNoRows) {
		span.SetAttributes(attribute.String("error.type", fmt.Sprintf("%T", err)))
		span.SetStatus(codes.Error, err.Error())
	}
	span.End()
}
