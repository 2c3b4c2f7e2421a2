package database

import (
	"context"
	"errors"
	"runtime/debug"
	"slices"
)

// postgresGroups is the number of groups that one process commits at once on
// PostgreSQL: one is prepared while the commit of the other waits for the disk. On
// SQLite one transaction writes at a time.
const postgresGroups = 2

// Group writes values of concurrent callers together, so that they share statements
// and a commit: what arrives while groups are being written forms the next one.
// Nothing waits on purpose: a value that arrives alone is written at once, and alone.
type Group[T any] struct {
	db            *DB
	op            Op
	transactional func(T) bool
	write         GroupFunc[T]
	gather        *gatherer[*member[T]]
}

// GroupFunc writes values. It may be called several times with the same value, so it
// must not keep results of a call that fails. If it fails for several values, none of
// them is written, and each is written again alone.
type GroupFunc[T any] func(ctx context.Context, q Querier, values []T) error

// member is a value with its caller.
type member[T any] struct {
	ctx   context.Context // the caller's
	value T
	err   error // result for the caller
}

// NewGroup returns a group. transactional reports whether write needs several statements
// for a value. If so for one of the values that are written together, they are written in
// a transaction; otherwise write must change the database by one statement, which commits
// itself.
func NewGroup[T any](db *DB, op Op, transactional func(T) bool, write GroupFunc[T]) *Group[T] {
	g := &Group[T]{db: db, op: op, transactional: transactional, write: write}
	g.gather = &gatherer[*member[T]]{limit: 1, size: maxGroupSize, run: g.commit}
	if db.system == postgresSystem {
		g.gather.limit = postgresGroups
	}
	return g
}

// Write writes a value. When Write returns nil, the value is durable. For its limits
// and errors see DB.Read; a value whose group has begun waits for its end, up to 5 s
// more. An error concerns this value alone, unless the database is unavailable: then
// the whole group gets it.
func (g *Group[T]) Write(ctx context.Context, value T) error {
	return g.db.run(ctx, g.op, isStaleBeforeWrite, func(ctx context.Context) error {
		m := &member[T]{ctx: ctx, value: value}
		if g.db.commitAlone {
			g.commit([]*member[T]{m})
		} else if err := g.gather.do(ctx, m); err != nil {
			return err
		}
		if panicked, ok := errors.AsType[*txPanic](m.err); ok {
			panic(panicked) // in the goroutine of the caller
		}
		return m.err
	})
}

// commit writes the members and sets their errors. If they fail because of one of
// them, each is written again alone, in what is left of the time. A group that may be
// stored is never written again.
func (g *Group[T]) commit(members []*member[T]) {
	// The end of one caller's context must not end the commit of the others.
	ctx, cancel := context.WithTimeout(context.WithoutCancel(members[0].ctx), operationTimeout)
	defer cancel()
	members = slices.DeleteFunc(members, (*member[T]).hasGivenUp)
	err := g.transact(ctx, members)
	alone := len(members) > 1 && err != nil && !isUncertain(err) && !isUnavailable(err) && !isRetryable(err)
	for i, m := range members {
		if m.err = err; alone {
			m.err = g.transact(ctx, members[i:i+1])
		}
	}
}

// hasGivenUp reports whether the context of the caller has ended, and sets the error.
func (m *member[T]) hasGivenUp() bool {
	m.err = m.ctx.Err()
	return m.err != nil
}

// transact writes the members in one transaction.
func (g *Group[T]) transact(ctx context.Context, members []*member[T]) (err error) {
	if len(members) == 0 {
		return nil
	}
	defer func() {
		value := recover() // the goroutine may be that of another caller, or of none
		if panicked, ok := value.(*txPanic); ok {
			err = panicked
		} else if value != nil {
			err = &txPanic{value, debug.Stack()}
		}
	}()
	values, run := make([]T, len(members)), g.db.execute
	for i, m := range members {
		values[i] = m.value
		if g.transactional(m.value) {
			run = g.db.transact
		}
	}
	return run(ctx, func(ctx context.Context, q Querier) error { return g.write(ctx, q, values) })
}
