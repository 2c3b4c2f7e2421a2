package httpclient

import (
	"context"
	"time"
)

// Probe asks for path, and if the connection breaks once more at another address. It is
// for asking how the peer is: past the breaker, outside the budget, and neither traced
// nor counted. A quick answer to it says nothing about the speed of real calls, so the
// balancer learns from it only that an address is dead.
func (c *Client) Probe(ctx context.Context, path string) (*Response, error) {
	target, err := c.target(path)
	if err != nil {
		return nil, err
	}
	t := try{target: target}
	last := c.probe(ctx, t)
	if last.verdict() == broken {
		t.avoid = last.addr
		last = c.probe(ctx, t)
	}
	return last.response, last.err
}

func (c *Client) probe(ctx context.Context, t try) (o outcome) {
	start := time.Now()
	o.addr, o.err = c.balancer.pick(ctx, t.avoid)
	if o.err != nil {
		return o
	}
	o.response, o.err = c.wire.exchange(ctx, o.addr, t.target)
	o.blame(ctx, ctx)
	v := o.verdict()
	if v != broken {
		v = abandoned
	}
	c.balancer.done(o.addr, time.Since(start), v)
	return o
}
