package httpclient

import (
	"context"
	"errors"
	"net"
	"net/http"
	"net/url"
	"time"
)

// attempt is one request of a call: the first one or a retry.
type attempt struct {
	route       string
	target      *url.URL
	maxBody     int64     // the longest response body in bytes
	deadline    time.Time // of the whole call; the deadline of the caller's context applies as well
	resendCount int       // 0 for the first attempt
	avoid       *endpoint // the endpoint of the previous attempt, chosen again only if no other is available
}

// attemptResult is the result of an attempt: a response, or an error and its kind.
type attemptResult struct {
	endpoint  *endpoint // nil if none was found
	response  *Response
	err       error
	errorKind errorKind
}

// doAttempt makes one attempt and reports its result to balancer and telemetry.
func (c *Client) doAttempt(ctx context.Context, a attempt) attemptResult {
	start := time.Now()
	spanCtx, span := c.telemetry.startSpan(ctx, a.route)
	attemptCtx, cancel := context.WithDeadline(spanCtx, earlier(start.Add(c.attemptTimeout), a.deadline))
	defer cancel()

	var result attemptResult
	result.endpoint, result.err = c.balancer.pick(attemptCtx, a.avoid)
	if result.err == nil {
		result.response, result.err = c.transport.roundTrip(attemptCtx, result.endpoint, a)
	}
	result.classify(ctx, attemptCtx)
	duration := time.Since(start)
	if result.endpoint != nil {
		c.balancer.done(result.endpoint, duration, result.outcome())
	}
	c.telemetry.endAttempt(span, a, result, duration)
	return result
}

// errorKind is the reason why an attempt has no response.
type errorKind int

const (
	kindNone         errorKind = iota
	kindTimeout                // a timeout of the Config
	kindCanceled               // canceled by the caller, or by a deadline of the caller
	kindConnect                // no endpoint, or no connection to it
	kindTransport              // the connection broke, or the peer did not speak HTTP
	kindBodyTooLarge           // the body was longer than the call takes
)

// label returns the value of attribute error.type, which must have a low cardinality.
func (k errorKind) label() string {
	switch k {
	case kindNone:
		return ""
	case kindTimeout:
		return "timeout"
	case kindCanceled:
		return "canceled"
	case kindConnect:
		return "connect"
	default:
		return "other"
	}
}

// classify sets the kind of a failed attempt's error. It looks at the contexts first: when
// a context ends, the transport breaks the connection and returns the context's cause, which
// may be any error. The context's own error replaces it.
func (r *attemptResult) classify(callerCtx, attemptCtx context.Context) {
	if r.err == nil {
		return
	}
	opErr, isOpErr := errors.AsType[*net.OpError](r.err)
	switch {
	case callerCtx.Err() != nil:
		r.errorKind, r.err = kindCanceled, callerCtx.Err()
	case attemptCtx.Err() != nil:
		r.errorKind, r.err = kindTimeout, attemptCtx.Err()
	case errors.Is(r.err, ErrBodyTooLarge):
		r.errorKind = kindBodyTooLarge
	case r.endpoint == nil, isOpErr && opErr.Op == "dial":
		r.errorKind = kindConnect
	default:
		r.errorKind = kindTransport
	}
}

// status returns the status code of the response, or 0 if there is no response.
func (r *attemptResult) status() int {
	if r.response == nil {
		return 0
	}
	return r.response.Status
}

// outcome is what an attempt shows about the health of its endpoint and of the peer.
type outcome int

const (
	outcomeSuccess   outcome = iota // a response below 500, or one with a body that is too large
	outcomeFailure                  // a 5xx response, or a timeout
	outcomeConnError                // no connection, or one that broke
	outcomeUnknown                  // nothing was sent, or the caller did not wait for the response
)

func (r *attemptResult) outcome() outcome {
	switch {
	case r.errorKind == kindCanceled, r.errorKind != kindNone && r.endpoint == nil:
		return outcomeUnknown
	case r.errorKind == kindConnect, r.errorKind == kindTransport:
		return outcomeConnError
	case r.errorKind == kindTimeout, r.status() >= http.StatusInternalServerError:
		return outcomeFailure
	default:
		return outcomeSuccess
	}
}

// retryable returns whether another attempt may have a better result.
func (r *attemptResult) retryable() bool {
	switch r.status() {
	case http.StatusInternalServerError, http.StatusBadGateway, http.StatusServiceUnavailable, http.StatusGatewayTimeout:
		return true
	case 0:
		o := r.outcome()
		return o == outcomeFailure || o == outcomeConnError
	default:
		return false
	}
}
