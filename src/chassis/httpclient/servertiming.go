package httpclient

import (
	"context"
	"net/http"
	"strconv"
	"strings"
	"time"

	"tandem/src/chassis/timing"
)

// progress is how far a call has come.
type progress struct {
	start, lastStart time.Time // of the call, and of its last attempt
	retries          int
}

// retry begins another attempt.
func (p *progress) retry() { p.retries, p.lastStart = p.retries+1, time.Now() }

// recordTiming adds a call to the parts of the caller's request.
func (c *Client) recordTiming(t *timing.Timing, p progress, result attemptResult) {
	call := timing.Call{
		Peer: timing.ShortName(c.peer), Duration: time.Since(p.start), Retries: p.lastStart.Sub(p.start), RetryCount: p.retries,
	}
	switch {
	case result.err != nil:
		call.Note = result.errorKind.label()
	case result.status() >= http.StatusInternalServerError:
		call.Note = strconv.Itoa(result.status())
	}
	if result.response != nil {
		call.Parts = strings.Join(result.response.Header["Server-Timing"], ", ")
	}
	t.AddCall(call)
}

// recordRejection adds a call that the circuit breaker has rejected.
func (c *Client) recordRejection(ctx context.Context) {
	timing.FromContext(ctx).AddCall(timing.Call{Peer: timing.ShortName(c.peer), Note: "breaker open"})
}
