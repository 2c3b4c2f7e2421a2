package httpclient

import (
	"context"
	"errors"
	"math/rand/v2"
	"net"
	"net/http"
	"net/url"
	"time"
)

const (
	maxRetries = 2
	// firstPause is the longest pause before the first retry; it doubles for the next.
	firstPause = 20 * time.Millisecond
)

// try is what one try of a call goes by.
type try struct {
	route    string
	target   *url.URL
	deadline time.Time // our own; that of the caller's context applies besides
	resend   int       // 0 for the first try
	avoid    *address  // where the try before went, not to go there again if there is a choice
}

// call makes tries until one is final and returns that one. Get is the only way in, so
// nothing but an idempotent request is ever repeated (RFC 9110, 9.2.2).
//
// The total deadline needs no context of its own: every try ends by it, and no pause
// begins that would outlast it. So a last answer is returned rather than an expiry.
// A Retry-After is left to the caller: the retry goes to another address anyway.
func (c *Client) call(ctx context.Context, route string, target *url.URL) outcome {
	start := time.Now()
	c.budget.call(start)
	t := try{route: route, target: target, deadline: start.Add(c.timeout)}
	for {
		last := c.do(ctx, t)
		if t.resend == c.maxRetries || !last.retryable() {
			return last
		}
		t.resend++
		pause := pauseBefore(t.resend, last)
		if time.Until(sooner(ctx, t.deadline)) <= pause || !c.budget.retry(time.Now()) {
			return last
		}
		if err := sleep(ctx, pause); err != nil {
			return outcome{fault: canceled, err: err}
		}
		c.telemetry.retries.Inc()
		t.avoid = last.addr
	}
}

// do makes one try and tells balancer and telemetry what came of it.
func (c *Client) do(ctx context.Context, t try) outcome {
	start := time.Now()
	spanCtx, span := c.telemetry.start(ctx, t.route)
	tryCtx, cancel := context.WithDeadline(spanCtx, earlier(start.Add(c.tryTimeout), t.deadline))
	defer cancel()

	var o outcome
	o.addr, o.err = c.balancer.pick(tryCtx, t.avoid)
	if o.err == nil {
		o.response, o.err = c.wire.exchange(tryCtx, o.addr, t.target)
	}
	o.blame(ctx, tryCtx)
	took := time.Since(start)
	if o.addr != nil {
		c.balancer.done(o.addr, took, o.verdict())
	}
	c.telemetry.end(span, t, o, took)
	return o
}

// fault says why a try brought no answer.
type fault int

const (
	none        fault = iota
	timedOut          // by our own deadline
	canceled          // by the caller, or by a deadline of the caller's
	unreachable       // no address, or no connection to it
	dropped           // the connection broke, or spoke no HTTP
	oversized         // the body was longer than MaxBody
)

// label is the fault as the value of error.type, of which there are few.
func (f fault) label() string {
	switch f {
	case none:
		return ""
	case timedOut:
		return "timeout"
	case canceled:
		return "canceled"
	case unreachable:
		return "connect"
	default:
		return "other"
	}
}

// outcome is what came of one try: a response, or err and the fault behind it.
type outcome struct {
	addr     *address // nil if there was none to try
	response *Response
	err      error
	fault    fault
}

// blame sets the fault of a failed try. Contexts come first, since a connection also
// breaks because its request was given up; their own error replaces the transport's,
// which may be any cause the caller has set.
func (o *outcome) blame(caller, try context.Context) {
	if o.err == nil {
		return
	}
	op, isOp := errors.AsType[*net.OpError](o.err)
	switch {
	case caller.Err() != nil:
		o.fault, o.err = canceled, caller.Err()
	case try.Err() != nil:
		o.fault, o.err = timedOut, try.Err()
	case errors.Is(o.err, ErrBodyTooLarge):
		o.fault = oversized
	case o.addr == nil, isOp && op.Op == "dial":
		o.fault = unreachable
	default:
		o.fault = dropped
	}
}

func (o *outcome) status() int {
	if o.response == nil {
		return 0
	}
	return o.response.Status
}

// verdict is what a try says about the one who was asked.
type verdict int

const (
	answered  verdict = iota // it works, whether or not the caller likes the answer
	struggled                // it answered 5xx, or not in time
	broken                   // no connection, or one that broke
	abandoned                // it was not asked, or not waited for: nothing is known
)

func (o *outcome) verdict() verdict {
	switch {
	case o.fault == canceled, o.fault != none && o.addr == nil:
		return abandoned
	case o.fault == unreachable, o.fault == dropped:
		return broken
	case o.fault == timedOut, o.status() >= http.StatusInternalServerError:
		return struggled
	default:
		return answered
	}
}

// retryable says whether another try might do better.
func (o *outcome) retryable() bool {
	switch o.status() {
	case http.StatusInternalServerError, http.StatusBadGateway, http.StatusServiceUnavailable, http.StatusGatewayTimeout:
		return true
	case 0:
		v := o.verdict()
		return v == struggled || v == broken
	default:
		return false
	}
}

// pauseBefore is a random time, so that the clients of a peer that stumbles do not all
// come back at once. A broken connection costs the peer nothing: the first retry, which
// goes to another address, follows at once.
func pauseBefore(resend int, last outcome) time.Duration {
	if resend == 1 && last.verdict() == broken {
		return 0
	}
	longest := firstPause << (resend - 1)
	return longest/2 + rand.N(longest/2)
}

// sleep waits for d, or until ctx is done and then returns its error.
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

// sooner is the deadline of ctx or t, whichever comes first.
func sooner(ctx context.Context, t time.Time) time.Time {
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
