package health

import (
	"context"
	"sync/atomic"
	"time"
)

// firstCheckTimeout limits how long a response waits for all first checks
// together. It is shorter than the timeout of a Kubernetes probe.
const firstCheckTimeout = 80 * time.Millisecond

// check runs a probe periodically and keeps its last result.
type check struct {
	last      atomic.Value  // string: the state that the last probe found
	firstDone chan struct{} // closed after the first probe
	again     chan struct{} // a value asks for a probe at once
}

// retryDelay is the time between two probes of awaitHealthy.
const retryDelay = 20 * time.Millisecond

// startCheck runs probe at once and then once per interval until ctx ends. Each
// probe may take 80 % of the interval. onResult gets each result. Until the
// first result the state is Unreachable.
func startCheck(ctx context.Context, interval time.Duration, probe func(context.Context) string, onResult func(string)) *check {
	c := &check{firstDone: make(chan struct{}), again: make(chan struct{})}
	c.last.Store(Unreachable)
	go func() {
		ticker := time.NewTicker(interval)
		defer ticker.Stop()
		c.run(ctx, interval*4/5, probe, onResult)
		close(c.firstDone)
		for {
			select {
			case <-ctx.Done():
				return
			case <-ticker.C:
			case <-c.again:
			}
			c.run(ctx, interval*4/5, probe, onResult)
		}
	}()
	return c
}

// run runs one probe. It discards the result if ctx ended, because that may
// have aborted the probe.
func (c *check) run(ctx context.Context, timeout time.Duration, probe func(context.Context) string, onResult func(string)) {
	probeCtx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	state := probe(probeCtx)
	if ctx.Err() != nil {
		return
	}
	c.last.Store(state)
	onResult(state)
}

// state returns the last result. It waits for the first one, at most until ctx ends.
func (c *check) state(ctx context.Context) string {
	select {
	case <-c.firstDone:
	case <-ctx.Done():
	}
	return c.last.Load().(string)
}

// awaitHealthy probes until the state is Healthy, or ctx ends. A peer that starts
// at the same time becomes healthy between two probes of the interval.
func (c *check) awaitHealthy(ctx context.Context) {
	for c.state(ctx) != Healthy {
		select {
		case <-ctx.Done():
			return
		case c.again <- struct{}{}:
		}
		select {
		case <-ctx.Done():
			return
		case <-time.After(retryDelay):
		}
	}
}
