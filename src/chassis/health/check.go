package health

import (
	"context"
	"sync/atomic"
	"time"
)

// firstAnswer bounds how long an answer waits for the very first check.
const firstAnswer = 80 * time.Millisecond

// check asks the same question again and again and keeps the last answer.
type check struct {
	state atomic.Value  // string
	asked chan struct{} // closed when the first answer is there
}

// watch asks at once and then every period, each time for at most most of a
// period, until the context ends.
func watch(ctx context.Context, period time.Duration, ask func(context.Context) string, tell func(string)) *check {
	c := &check{asked: make(chan struct{})}
	c.state.Store(Unreachable)
	go func() {
		ticker := time.NewTicker(period)
		defer ticker.Stop()
		c.ask(ctx, period*4/5, ask, tell)
		close(c.asked)
		for {
			select {
			case <-ctx.Done():
				return
			case <-ticker.C:
				c.ask(ctx, period*4/5, ask, tell)
			}
		}
	}()
	return c
}

func (c *check) ask(ctx context.Context, timeout time.Duration, ask func(context.Context) string, tell func(string)) {
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	state := ask(ctx)
	c.state.Store(state)
	tell(state)
}

// result is the last answer. The first one is waited for, though not so long
// that a probe would notice.
func (c *check) result(ctx context.Context) string {
	select {
	case <-c.asked:
	default:
		c.waitForFirst(ctx)
	}
	return c.state.Load().(string)
}

func (c *check) waitForFirst(ctx context.Context) {
	timer := time.NewTimer(firstAnswer)
	defer timer.Stop()
	select {
	case <-c.asked:
	case <-timer.C:
	case <-ctx.Done():
	}
}

// await blocks until the answer is state, or the context ends.
func (c *check) await(ctx context.Context, state string) {
	ticker := time.NewTicker(10 * time.Millisecond)
	defer ticker.Stop()
	for c.state.Load() != state {
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		}
	}
}
