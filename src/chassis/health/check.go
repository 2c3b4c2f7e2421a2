package health

import (
	"context"
	"sync/atomic"
	"time"
)

// firstAnswer bounds how long an answer waits for the very first checks, all
// of them together: not so long that a probe would notice.
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
	bounded, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	state := ask(bounded)
	if ctx.Err() != nil {
		return // Cut short by us, so it says nothing.
	}
	c.state.Store(state)
	tell(state)
}

// result is the last answer. The first one is waited for until the context
// ends.
func (c *check) result(ctx context.Context) string {
	select {
	case <-c.asked:
	case <-ctx.Done():
	}
	return c.state.Load().(string)
}

// awaitAnswer blocks until the one asked has been reached, or the context ends.
func (c *check) awaitAnswer(ctx context.Context) {
	ticker := time.NewTicker(10 * time.Millisecond)
	defer ticker.Stop()
	for c.state.Load() == Unreachable {
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		}
	}
}
