package database

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"runtime/debug"
)

// maxGroup is how many transactions share one commit at the most.
const maxGroup = 64

// group commits the transactions that wait at the same moment together: SQLite
// has one writer, and a durable commit waits for the disk, so one by one they
// would be as slow as the disk. Each is acknowledged when the commit is durable;
// one that fails is rolled back alone.
type group struct {
	pool    *sql.DB
	waiting chan *member
	closing chan struct{} // closed when no more may come
	ended   chan struct{} // closed when nothing is committed any more
}

// member is one transaction of a group.
type member struct {
	ctx      context.Context
	work     TxFunc
	err      error
	panicked *workPanic
	done     chan struct{}
}

// workPanic carries a panic, with the stack it happened on, to the goroutine
// that asked for the work.
type workPanic struct {
	value any
	stack []byte
}

func (p *workPanic) Error() string { return fmt.Sprintf("%v, in a transaction: %s", p.value, p.stack) }

func newGroup(pool *sql.DB) *group {
	g := &group{pool: pool, waiting: make(chan *member, maxGroup), closing: make(chan struct{}), ended: make(chan struct{})}
	go g.run()
	return g
}

// do runs work in a transaction and returns when it is durable, or has failed.
func (g *group) do(ctx context.Context, work TxFunc) error {
	m := &member{ctx: ctx, work: work, done: make(chan struct{})}
	select {
	case g.waiting <- m:
	case <-ctx.Done():
		return ctx.Err()
	case <-g.closing:
		return sql.ErrConnDone
	}
	select {
	case <-m.done:
	case <-g.ended:
		if !m.ended() {
			return sql.ErrConnDone
		}
	}
	if m.panicked != nil {
		panic(m.panicked)
	}
	return m.err
}

func (m *member) ended() bool {
	select {
	case <-m.done:
		return true
	default:
		return false
	}
}

// close ends the group, when what is being committed is. What still waits gets
// sql.ErrConnDone.
func (g *group) close() {
	close(g.closing)
	<-g.ended
}

func (g *group) run() {
	defer close(g.ended)
	for {
		select {
		case <-g.closing:
			return
		case first := <-g.waiting:
			g.commit(append([]*member{first}, g.others()...))
		}
	}
}

// others are those that wait at this moment.
func (g *group) others() (members []*member) {
	for len(members) < maxGroup-1 {
		select {
		case m := <-g.waiting:
			members = append(members, m)
		default:
			return members
		}
	}
	return members
}

// commit runs members in one transaction; where that fails, each in its own, so
// that none suffers from another.
func (g *group) commit(members []*member) {
	err := g.transact(members)
	for _, m := range members {
		if err != nil && len(members) > 1 {
			m.err, m.panicked = nil, nil
			m.err = errors.Join(g.transact([]*member{m}), m.err)
		} else {
			m.err = errors.Join(err, m.err)
		}
		close(m.done)
	}
}

// transact runs members in one transaction. Its error is one that all share.
func (g *group) transact(members []*member) error {
	ctx, cancel := context.WithTimeout(context.Background(), operationTimeout)
	defer cancel()
	tx, err := g.pool.BeginTx(ctx, nil)
	if err != nil {
		return err
	}
	for _, m := range members {
		if err := m.run(ctx, tx); err != nil {
			_ = tx.Rollback() // SQLite may have done so by itself
			return err
		}
	}
	return tx.Commit()
}

// run does the member's work, or nothing of it. Its error is that of the
// transaction itself, after which nothing of it can be kept.
func (m *member) run(ctx context.Context, tx *sql.Tx) error {
	if m.err = m.ctx.Err(); m.err != nil {
		return nil //nolint:nilerr // given up while it waited, which concerns nobody else
	}
	if _, err := tx.ExecContext(ctx, "SAVEPOINT member"); err != nil {
		return fmt.Errorf("begin a transaction of a group: %w", err)
	}
	m.attempt(tx)
	if m.err != nil || m.panicked != nil {
		if _, err := tx.ExecContext(ctx, "ROLLBACK TO member"); err != nil {
			return fmt.Errorf("roll a transaction of a group back: %w", errors.Join(err, m.err))
		}
	}
	_, err := tx.ExecContext(ctx, "RELEASE member")
	return err
}

// attempt keeps a panic for the goroutine that asked. Once begun, the work is
// not given up: SQLite would roll the whole group back.
func (m *member) attempt(tx *sql.Tx) {
	defer func() {
		if value := recover(); value != nil {
			m.panicked = &workPanic{value, debug.Stack()}
		}
	}()
	m.err = m.work(context.WithoutCancel(m.ctx), tx)
}
