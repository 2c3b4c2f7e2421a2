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

// groupCommitter runs the transactions that wait at the same moment in one
// SQLite transaction. SQLite has one writer and a durable commit waits for the
// disk, so commits one by one would be as slow as the disk. The caller of each
// transaction gets its result after the commit. A transaction that fails is
// rolled back alone, to its savepoint.
type groupCommitter struct {
	pool    *sql.DB
	check   func() error // returns an error if a commit would be lost
	queue   chan *pendingTx
	closing chan struct{} // closed by close: no new transaction is accepted
	stopped chan struct{} // closed when run has returned
}

// pendingTx is one transaction of a group.
type pendingTx struct {
	ctx      context.Context // of the caller
	fn       TxFunc
	err      error         // result of fn; set before done is closed
	panicked *txPanic      // panic of fn, or nil; set before done is closed
	done     chan struct{} // closed when the transaction is committed or has failed
}

// txPanic carries a panic of a TxFunc, with its stack, to the goroutine of the
// caller.
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
// It returns the error of ctx if that ends before the transaction is queued or
// begins, and sql.ErrConnDone after close. It panics if fn panics.
func (g *groupCommitter) do(ctx context.Context, fn TxFunc) error {
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

func (p *pendingTx) isDone() bool {
	select {
	case <-p.done:
		return true
	default:
		return false
	}
}

// close waits for the commit in progress and stops. Transactions that are still
// queued get sql.ErrConnDone.
func (g *groupCommitter) close() {
	close(g.closing)
	<-g.stopped
}

// run commits group after group until close.
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

// takeQueued returns the transactions that are queued at this moment, at most
// maxGroupSize-1, without waiting.
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

// commit runs the transactions as one and sets their results. If that fails,
// it runs each alone, so that the cause affects only one of them.
func (g *groupCommitter) commit(txs []*pendingTx) {
	err := g.transact(txs)
	for _, tx := range txs {
		if err != nil && len(txs) > 1 && !errors.Is(err, errFileReplaced) {
			tx.err, tx.panicked = nil, nil
			tx.err = errors.Join(g.transact([]*pendingTx{tx}), tx.err)
		} else {
			tx.err = errors.Join(err, tx.err)
		}
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

// run calls the TxFunc after a savepoint and rolls back to it if the TxFunc
// fails. It returns an error only if the shared SQLite transaction is broken;
// the result of the TxFunc is in p.err and p.panicked.
func (p *pendingTx) run(ctx context.Context, sqlTx *sql.Tx) error {
	if p.err = p.ctx.Err(); p.err != nil {
		return nil //nolint:nilerr // the caller gave up while this one was queued; the others continue
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

// callFunc calls the TxFunc and keeps a panic for the goroutine of the caller.
// The TxFunc does not see the caller's cancellation: SQLite rolls back the whole
// group when a statement is interrupted.
func (p *pendingTx) callFunc(sqlTx *sql.Tx) {
	defer func() {
		if value := recover(); value != nil {
			p.panicked = &txPanic{value, debug.Stack()}
		}
	}()
	p.err = p.fn(context.WithoutCancel(p.ctx), sqlTx)
}
