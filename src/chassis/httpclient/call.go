package httpclient

import (
	"context"
	"math/rand/v2"
	"net/url"
	"time"

	"tandem/src/chassis/timing"
)

const (
	maxRetries = 2
	// baseBackoff is the longest delay before the first retry; it doubles for the next.
	baseBackoff = 20 * time.Millisecond
)

// callWithRetries makes attempts until one needs no retry or no retry is possible, and
// returns the result of the last one. Only Get calls it, so only idempotent requests are
// retried (RFC 9110, section 9.2.2).
//
// The deadline of the call needs no context of its own: no attempt exceeds it, and no
// delay begins that would exceed it. So the caller gets the last response rather than a
// timeout. The client does not wait for a Retry-After: the retry goes to another endpoint
// anyway.
func (c *Client) callWithRetries(ctx context.Context, route string, target *url.URL, maxBody int64) (result attemptResult) {
	start := time.Now()
	p := progress{start: start, lastStart: start}
	c.budget.recordCall(start)
	a := attempt{route: route, target: target, maxBody: maxBody, deadline: start.Add(c.timeout)}
	if t := timing.FromContext(ctx); t != nil {
		defer func() { c.recordTiming(t, p, result) }()
	}
	for {
		result = c.doAttempt(ctx, a)
		if a.resendCount == c.maxRetries || !result.retryable() {
			return result
		}
		a.resendCount++
		delay := backoff(a.resendCount, result)
		if time.Until(effectiveDeadline(ctx, a.deadline)) <= delay || !c.budget.takeRetry(time.Now()) {
			return result
		}
		if err := sleep(ctx, delay); err != nil {
			return attemptResult{errorKind: kindCanceled, err: err}
		}
		c.telemetry.retries.Inc()
		p.retry()
		a.avoid = result.endpoint
	}
}

// backoff returns the delay before a retry: random, so that the clients of a failing peer
// do not all come back at once. After a connection error the first retry follows without
// delay: it goes to another endpoint, and the failed attempt has cost the peer nothing.
func backoff(resendCount int, last attemptResult) time.Duration {
	if resendCount == 1 && last.outcome() == outcomeConnError {
		return 0
	}
	longest := baseBackoff << (resendCount - 1)
	return longest/2 + rand.N(longest/2)
}

// sleep waits for d. It returns the error of ctx if that ends first.
func sleep(ctx context.Context, d time.Duration) error {
	if d == 0 {
		return ctx.Err()
	}
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// effectiveDeadline returns the deadline of ctx or t, whichever is earlier.
func effectiveDeadline(ctx context.Context, t time.Time) time.Time {
	if deadline, ok := ctx.Deadline(); ok {
		return earlier(deadline, t)
	}
	return t
}

func earlier(a, b time.Time) time.Time {
	if a.Before(b) {
		return a
	}
	return b
}
