package httpclient

import (
	"context"
	"time"
)

// maxProbeBody is the longest response body, in bytes, that Probe accepts: 64 KiB.
const maxProbeBody = 64 << 10

// Probe sends a GET for path to check the peer's health. If the connection breaks it
// makes one more attempt, at another endpoint. It bypasses the circuit breaker and the
// retry budget, and creates no spans and no metrics. It reports only connection errors to the
// balancer: a fast response to a probe says nothing about the latency of real calls.
func (c *Client) Probe(ctx context.Context, path string) (*Response, error) {
	target, err := c.targetURL(path)
	if err != nil {
		return nil, err
	}
	a := attempt{target: target, maxBody: maxProbeBody}
	result := c.probe(ctx, a)
	if result.outcome() == outcomeConnError {
		a.avoid = result.endpoint
		result = c.probe(ctx, a)
	}
	return result.response, result.err
}

// probe makes one attempt of Probe.
func (c *Client) probe(ctx context.Context, a attempt) (result attemptResult) {
	start := time.Now()
	result.endpoint, result.err = c.balancer.pick(ctx, a.avoid)
	if result.err != nil {
		return result
	}
	result.response, result.err = c.transport.roundTrip(ctx, result.endpoint, a)
	result.classify(ctx, ctx)
	o := result.outcome()
	if o != outcomeConnError {
		o = outcomeUnknown
	}
	c.balancer.done(result.endpoint, time.Since(start), o)
	return result
}
