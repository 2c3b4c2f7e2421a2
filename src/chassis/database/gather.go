package database

import (
	"context"
	"database/sql"
	"slices"
	"sync"
)

// maxGroupSize is the greatest number of changes that share one commit.
const maxGroupSize = 64

// gatherer runs items of concurrent callers together: what arrives while as many
// groups run as may run at once waits and forms the next group. An item that finds
// no group running runs at once, alone and in the goroutine of its caller.
type gatherer[T any] struct {
	limit int             // greatest number of groups that run at once
	size  int             // greatest number of items of a group
	run   func(items []T) // runs a group; it must not panic, and keeps results in the items

	mu      sync.Mutex
	waiting []*waiter[T]
	running int // number of groups; each is counted in groups, too
	closed  bool
	groups  sync.WaitGroup
}

// waiter is an item that waits for its group.
type waiter[T any] struct {
	item T
	err  error         // set before done is closed
	done chan struct{} // closed when the group has run
}

// do returns when run has returned with the item. It returns the error of ctx if ctx
// ends before the item's group begins, and sql.ErrConnDone if the gatherer is closed
// before.
func (g *gatherer[T]) do(ctx context.Context, item T) error {
	g.mu.Lock()
	if g.closed {
		g.mu.Unlock()
		return sql.ErrConnDone
	}
	if g.running < g.limit {
		g.running++
		g.groups.Add(1)
		g.mu.Unlock()
		defer g.goOn()
		g.run([]T{item})
		return nil
	}
	w := &waiter[T]{item: item, done: make(chan struct{})}
	g.waiting = append(g.waiting, w)
	g.mu.Unlock()
	select {
	case <-w.done:
	case <-ctx.Done():
		if g.leave(w) {
			return ctx.Err()
		}
		<-w.done
	}
	return w.err
}

// leave removes an item that waits. It reports false if the item's group has begun.
func (g *gatherer[T]) leave(w *waiter[T]) bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	n := slices.Index(g.waiting, w)
	if n < 0 {
		return false
	}
	g.waiting = slices.Delete(g.waiting, n, n+1)
	return true
}

// goOn runs what has gathered while a group ran, in a goroutine that ends as soon as
// nothing waits.
func (g *gatherer[T]) goOn() {
	group := g.take()
	if group == nil {
		return
	}
	go func() {
		for ; group != nil; group = g.take() {
			items := make([]T, len(group))
			for i, w := range group {
				items[i] = w.item
			}
			g.run(items)
			for _, w := range group {
				close(w.done)
			}
		}
	}()
}

// take returns the next group in place of one that has run, or nil if nothing waits.
func (g *gatherer[T]) take() []*waiter[T] {
	g.mu.Lock()
	defer g.mu.Unlock()
	n := min(len(g.waiting), g.size)
	if n == 0 {
		g.running--
		g.groups.Done()
		return nil
	}
	group := slices.Clone(g.waiting[:n])
	g.waiting = slices.Delete(g.waiting, 0, n)
	return group
}

// close returns when the groups that run have ended. Items that wait fail with
// sql.ErrConnDone.
func (g *gatherer[T]) close() {
	g.mu.Lock()
	g.closed = true
	for _, w := range g.waiting {
		w.err = sql.ErrConnDone
		close(w.done)
	}
	g.waiting = nil
	g.mu.Unlock()
	g.groups.Wait()
}
