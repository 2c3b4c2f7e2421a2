package database

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"runtime/debug"
)

// maxGroupSize is the greatest number of transactions that share one commit.
const maxGroupSize = 64

// groupCommitter commits transactions of several callers together. SQLite writes
// one transaction at a time, and each durable commit waits for the disk. The
// groupCommitter therefore runs all transactions that wait at one moment (the
// group) inside one SQLite transaction, so that they share one commit. Each caller
// gets the result of its own transaction after the commit. A transaction that
// fails is rolled back to its savepoint; the others of its group are committed.
type groupCommitter struct {
	pool    *sql.DB
	check   func() error // returns an error if a commit would be lost
	queue   chan *pendingTx
	closing chan struct{} // closed by close: no new transaction is accepted
	stopped chan struct{} // closed when run has returned
}

// pendingTx is one transaction of a group.
type pendingTx struct {
	ctx      context.Context // the caller's
	fn       OpFunc
	err      error         // result for the caller; set before done is closed
	panicked *txPanic      // nil unless fn panicked; set before done is closed
	done     chan struct{} // closed when the transaction is committed or has failed
}

// txPanic is a panic of an OpFunc. It carries the panic, with the stack, from the
// goroutine of the groupCommitter to that of the caller.
type txPanic struct {
	value any
	stack []byte
}

func (p *txPanic) Error() string { return fmt.Sprintf("%v, in a transaction: %s", p.value, p.stack) }

// newGroupCommitter starts a groupCommitter on a pool of one connection. It calls
// check before and after each commit. Its goroutine runs until close.
func newGroupCommitter(pool *sql.DB, check func() error) *groupCommitter {
	g := &groupCommitter{
		pool: pool, check: check, queue: make(chan *pendingTx, maxGroupSize), closing: make(chan struct{}), stopped: make(chan struct{}),
	}
	go g.run()
	return g
}

// do runs fn in a transaction and returns when it is committed or has failed.
// It returns the error of ctx if ctx ends before the transaction begins, and
// sql.ErrConnDone if the groupCommitter is closed before. It panics if fn panics.
func (g *groupCommitter) do(ctx context.Context, fn OpFunc) error {
	tx := &pendingTx{ctx: ctx, fn: fn, done: make(chan struct{})}
	select {
	case g.queue <- tx:
	case <-ctx.Done():
		return ctx.Err()
	case <-g.closing:
		return sql.ErrConnDone
	}
	select {
	case <-tx.done:
	case <-g.stopped:
		if !tx.isDone() {
			return sql.ErrConnDone
		}
	}
	if tx.panicked != nil {
		panic(tx.panicked)
	}
	return tx.err
}

// isDone reports whether the transaction is committed or has failed.
func (p *pendingTx) isDone() bool {
	select {
	case <-p.done:
		return true
	default:
		return false
	}
}

// close stops the groupCommitter after the commit in progress. Transactions that
// are still queued fail with sql.ErrConnDone.
func (g *groupCommitter) close() {
	close(g.closing)
	<-g.stopped
}

// run commits one group after another until close is called.
func (g *groupCommitter) run() {
	defer close(g.stopped)
	for {
		select {
		case <-g.closing:
			return
		case first := <-g.queue:
			g.commit(append([]*pendingTx{first}, g.takeQueued()...))
		}
	}
}

// takeQueued takes the transactions that are queued at this moment from the queue,
// at most maxGroupSize-1. It does not wait for more.
func (g *groupCommitter) takeQueued() (txs []*pendingTx) {
	for len(txs) < maxGroupSize-1 {
		select {
		case tx := <-g.queue:
			txs = append(txs, tx)
		default:
			return txs
		}
	}
	return txs
}

// commit runs the transactions as a group and sets their results. If the group
// fails as a whole, commit runs each transaction alone, so that only the one that
// made the group fail gets the error.
func (g *groupCommitter) commit(txs []*pendingTx) {
	groupErr := g.transact(txs)
	for _, tx := range txs {
		err := groupErr
		if groupErr != nil && len(txs) > 1 && !errors.Is(groupErr, errFileReplaced) {
			tx.err, tx.panicked = nil, nil
			err = g.transact([]*pendingTx{tx})
		}
		tx.err = errors.Join(err, tx.err)
		close(tx.done)
	}
}

// transact runs the transactions in one SQLite transaction. Its error applies
// to all of them: nothing is committed, or nobody can read it again.
func (g *groupCommitter) transact(txs []*pendingTx) error {
	ctx, cancel := context.WithTimeout(context.Background(), operationTimeout)
	defer cancel()
	sqlTx, err := g.pool.BeginTx(ctx, nil)
	if err != nil {
		return err
	}
	for _, tx := range txs {
		if err := tx.run(ctx, sqlTx); err != nil {
			_ = sqlTx.Rollback() // fails if SQLite has already rolled back because of err
			return err
		}
	}
	if err := g.check(); err != nil {
		_ = sqlTx.Rollback() // fails if SQLite has already rolled back
		return err
	}
	return errors.Join(sqlTx.Commit(), g.check())
}

// run sets a savepoint, calls the OpFunc and rolls back to the savepoint if the
// OpFunc fails. It returns an error only if the SQLite transaction of the group is
// broken. The result of the OpFunc is in p.err and p.panicked.
func (p *pendingTx) run(ctx context.Context, sqlTx *sql.Tx) error {
	if p.err = p.ctx.Err(); p.err != nil {
		return nil //nolint:nilerr // the caller gave up while this transaction was queued; the others go on
	}
	if _, err := sqlTx.ExecContext(ctx, "SAVEPOINT pending_tx"); err != nil {
		return fmt.Errorf("begin a transaction of a group: %w", err)
	}
	p.callFunc(sqlTx)
	if p.err != nil || p.panicked != nil {
		if _, err := sqlTx.ExecContext(ctx, "ROLLBACK TO pending_tx"); err != nil {
			return fmt.Errorf("roll back a transaction of a group: %w", errors.Join(err, p.err))
		}
	}
	_, err := sqlTx.ExecContext(ctx, "RELEASE pending_tx")
	return err
}

// callFunc calls the OpFunc and keeps a panic for the goroutine of the caller.
// The context of the OpFunc does not end when the caller's does: an interrupted
// statement would make SQLite roll back the whole group.
func (p *pendingTx) callFunc(sqlTx *sql.Tx) {
	defer func() {
		if value := recover(); value != nil {
			p.panicked = &txPanic{value, debug.Stack()}
		}
	}()
	p.err = p.fn(context.WithoutCancel(p.ctx), sqlTx)
}
