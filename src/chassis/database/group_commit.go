package database

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"runtime/debug"
)

// groupCommitter commits transactions of several callers together. SQLite writes
// one transaction at a time, and each durable commit waits for the disk. The
// groupCommitter therefore runs all transactions that wait at one moment (the
// group) inside one SQLite transaction, so that they share one commit. Each caller
// gets the result of its own transaction after the commit. A transaction that
// fails is rolled back to its savepoint; the others of its group are committed.
type groupCommitter struct {
	pool    *sql.DB
	check   func() error // returns an error if a commit would be lost
	gather  *gatherer[*pendingTx]
	queries *statements // prepared on the pool
}

// pendingTx is one transaction of a group.
type pendingTx struct {
	ctx      context.Context // the caller's
	fn       OpFunc
	err      error    // result for the caller
	panicked *txPanic // nil unless fn panicked
}

// txPanic is a panic of an OpFunc. It carries the panic, with the stack, from the
// goroutine of the group to that of the caller.
type txPanic struct {
	value any
	stack []byte
}

func (p *txPanic) Error() string { return fmt.Sprintf("%v, in a transaction: %s", p.value, p.stack) }

// newGroupCommitter returns a groupCommitter on a pool of one connection. It calls
// check before and after each commit.
func newGroupCommitter(pool *sql.DB, check func() error) *groupCommitter {
	g := &groupCommitter{pool: pool, check: check, queries: newStatements(pool)}
	g.gather = &gatherer[*pendingTx]{limit: 1, size: maxGroupSize, run: g.commit}
	return g
}

// do runs fn in a transaction and returns when it is committed or has failed.
// It returns the error of ctx if ctx ends before the transaction begins, and
// sql.ErrConnDone if the groupCommitter is closed before. It panics if fn panics.
func (g *groupCommitter) do(ctx context.Context, fn OpFunc) error {
	tx := &pendingTx{ctx: ctx, fn: fn}
	if err := g.gather.do(ctx, tx); err != nil {
		return err
	}
	if tx.panicked != nil {
		panic(tx.panicked)
	}
	return tx.err
}

// close stops the groupCommitter after the commit in progress. Transactions that
// are still queued fail with sql.ErrConnDone.
func (g *groupCommitter) close() { g.gather.close() }

// commit runs the transactions as a group and sets their results. If the group
// fails as a whole, commit runs each transaction alone, so that only the one that
// made the group fail gets the error. A commit whose outcome is unknown is never run
// again.
func (g *groupCommitter) commit(txs []*pendingTx) {
	groupErr := g.transact(txs)
	for _, tx := range txs {
		err := groupErr
		if groupErr != nil && len(txs) > 1 && !isUncertain(groupErr) && !errors.Is(groupErr, errFileReplaced) {
			tx.err, tx.panicked = nil, nil
			err = g.transact([]*pendingTx{tx})
		}
		tx.err = errors.Join(err, tx.err)
	}
}

// transact runs the transactions in one SQLite transaction. Its error applies
// to all of them: nothing is committed, or nobody can read it again, or its outcome
// is unknown.
func (g *groupCommitter) transact(txs []*pendingTx) error {
	ctx, cancel := context.WithTimeout(context.Background(), operationTimeout)
	defer cancel()
	g.queries.prepareMissed(ctx)
	sqlTx, err := g.pool.BeginTx(ctx, nil)
	if err != nil {
		return err
	}
	q := &preparedTx{Tx: sqlTx, statements: g.queries}
	if err := runAll(ctx, q, txs); err != nil {
		_ = sqlTx.Rollback() // fails if SQLite has already rolled back because of err
		return err
	}
	if err := g.check(); err != nil {
		_ = sqlTx.Rollback() // fails if SQLite has already rolled back
		return err
	}
	return errors.Join(commitError(sqlTx.Commit()), g.check())
}

// runAll runs the transactions one after the other. It returns an error if the
// SQLite transaction must be rolled back.
func runAll(ctx context.Context, q *preparedTx, txs []*pendingTx) error {
	if len(txs) == 1 { // needs no savepoint
		return txs[0].runAlone(q)
	}
	for _, tx := range txs {
		if err := tx.run(ctx, q); err != nil {
			return err
		}
	}
	return nil
}

// errRolledBack makes transact roll back a single transaction that has failed; its
// own error is in the pendingTx.
var errRolledBack = errors.New("rolled back")

// runAlone calls the OpFunc of a transaction that is alone in its group.
func (p *pendingTx) runAlone(q Querier) error {
	if p.err = p.ctx.Err(); p.err == nil {
		p.callFunc(q)
	}
	if p.err != nil || p.panicked != nil {
		return errRolledBack
	}
	return nil
}

// run sets a savepoint, calls the OpFunc and rolls back to the savepoint if the
// OpFunc fails. It returns an error only if the SQLite transaction of the group is
// broken. The result of the OpFunc is in p.err and p.panicked.
func (p *pendingTx) run(ctx context.Context, q Querier) error {
	if p.err = p.ctx.Err(); p.err != nil {
		return nil //nolint:nilerr // the caller gave up while this transaction was queued; the others go on
	}
	if _, err := q.ExecContext(ctx, "SAVEPOINT pending_tx"); err != nil {
		return fmt.Errorf("begin a transaction of a group: %w", err)
	}
	p.callFunc(q)
	if p.err != nil || p.panicked != nil {
		if _, err := q.ExecContext(ctx, "ROLLBACK TO pending_tx"); err != nil {
			return fmt.Errorf("roll back a transaction of a group: %w", errors.Join(err, p.err))
		}
	}
	_, err := q.ExecContext(ctx, "RELEASE pending_tx")
	return err
}

// callFunc calls the OpFunc and keeps a panic for the goroutine of the caller.
// The context of the OpFunc does not end when the caller's does: an interrupted
// statement would make SQLite roll back the whole group.
func (p *pendingTx) callFunc(q Querier) {
	defer func() {
		if value := recover(); value != nil {
			p.panicked = &txPanic{value, debug.Stack()}
		}
	}()
	p.err = p.fn(context.WithoutCancel(p.ctx), q)
}
