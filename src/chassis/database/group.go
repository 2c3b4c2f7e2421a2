package database

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
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
	ended   chan struct{} // closed when nothing is committed any more
}

// member is one transaction of a group.
type member struct {
	ctx      context.Context
	work     Work
	err      error
	panicked any // what work panicked with
	done     chan struct{}
}

func newGroup(pool *sql.DB) *group {
	g := &group{pool: pool, waiting: make(chan *member, maxGroup), ended: make(chan struct{})}
	go g.run()
	return g
}

// do runs work in a transaction and returns when it is durable, or has failed.
func (g *group) do(ctx context.Context, work Work) error {
	// Once begun, it is not given up: SQLite would roll the whole group back.
	m := &member{ctx: context.WithoutCancel(ctx), work: work, done: make(chan struct{})}
	select {
	case g.waiting <- m:
	case <-ctx.Done():
		return ctx.Err()
	case <-g.ended:
		return sql.ErrConnDone
	}
	<-m.done
	if m.panicked != nil {
		panic(m.panicked)
	}
	return m.err
}

// close ends the group. No transaction may be under way.
func (g *group) close() { close(g.ended) }

func (g *group) run() {
	for {
		select {
		case <-g.ended:
			return
		case first := <-g.waiting:
			members := append([]*member{first}, g.others()...)
			if err := g.commit(members); err != nil {
				for _, m := range members {
					m.err = errors.Join(m.err, err)
				}
			}
			for _, m := range members {
				close(m.done)
			}
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

// commit runs every member in one transaction. Its error is one that all share.
func (g *group) commit(members []*member) error {
	ctx, cancel := context.WithTimeout(context.Background(), operationTimeout)
	defer cancel()
	tx, err := g.pool.BeginTx(ctx, nil)
	if err != nil {
		return err
	}
	for _, m := range members {
		if err := m.run(ctx, tx); err != nil {
			return errors.Join(err, tx.Rollback())
		}
	}
	return tx.Commit()
}

// run does the member's work, or nothing of it. Its error is that of the
// transaction itself, after which nothing of it can be kept.
func (m *member) run(ctx context.Context, tx *sql.Tx) error {
	if _, err := tx.ExecContext(ctx, "SAVEPOINT member"); err != nil {
		return fmt.Errorf("begin a transaction of a group: %w", err)
	}
	m.attempt(tx)
	if m.err != nil || m.panicked != nil {
		if _, err := tx.ExecContext(ctx, "ROLLBACK TO member"); err != nil {
			return fmt.Errorf("roll a transaction of a group back: %w", err)
		}
	}
	_, err := tx.ExecContext(ctx, "RELEASE member")
	return err
}

// attempt keeps a panic for the goroutine that asked.
func (m *member) attempt(tx *sql.Tx) {
	defer func() { m.panicked = recover() }()
	m.err = m.work(m.ctx, tx)
}
