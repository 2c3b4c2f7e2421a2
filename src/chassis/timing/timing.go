// Package timing collects where the time of a request goes. The router sends the result in
// the response header Server-Timing (https://www.w3.org/TR/server-timing/), which the
// developer tools of every browser show.
package timing

import (
	"context"
	"strconv"
	"strings"
	"sync"
	"time"
)

// maxPeerParts is the longest Server-Timing of a peer, in bytes, that is passed on.
const maxPeerParts = 512

// Timing collects the parts of one request. Its methods may be called concurrently. All of
// them do nothing on nil, so that code need not know whether anybody asks for the parts.
type Timing struct {
	mu     sync.Mutex
	stored bool // AddStore was called
	store  time.Duration
	call   Call // the sum of all calls
}

// Call is a call to another service.
type Call struct {
	Peer       string        // name of the other service, such as users
	Duration   time.Duration // of the whole call, retries included
	Retries    time.Duration // share of Duration before the last attempt began
	RetryCount int
	Note       string // what is special about the call, such as "shared"; may be empty
	Parts      string // Server-Timing of the peer's response; may be empty
}

// contextKey is the key of the *Timing of a context.
type contextKey struct{}

// NewContext returns a context in which FromContext finds the Timing.
func NewContext(ctx context.Context, t *Timing) context.Context {
	return context.WithValue(ctx, contextKey{}, t)
}

// FromContext returns the Timing of the request that ctx belongs to, or nil.
func FromContext(ctx context.Context) *Timing {
	t, _ := ctx.Value(contextKey{}).(*Timing)
	return t
}

// AddStore adds the time since start to that of the service's own store.
func (t *Timing) AddStore(start time.Time) {
	if t == nil {
		return
	}
	duration := time.Since(start)
	t.mu.Lock()
	defer t.mu.Unlock()
	t.stored, t.store = true, t.store+duration
}

// AddCall adds a call. Its note and its parts replace those of earlier calls.
func (t *Timing) AddCall(c Call) {
	if t == nil {
		return
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	c.Duration += t.call.Duration
	c.Retries += t.call.Retries
	c.RetryCount += t.call.RetryCount
	t.call = c
}

// Call returns the sum of the calls so far: what several requests share is collected in a
// Timing of its own, and then added to that of each.
func (t *Timing) Call() Call {
	if t == nil {
		return Call{}
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.call
}

// Header returns the value of Server-Timing for a response of the service, which took total.
// The service's own metric has the name of the service and, as its description, that of the
// instance. The metrics NAME-store, PEER-call and retries and those of the peer follow.
func (t *Timing) Header(service, instance string, total time.Duration) string {
	t.mu.Lock()
	defer t.mu.Unlock()
	var buffer [256]byte
	b := appendMetric(buffer[:0], service, "", total, instance)
	if t.stored {
		b = appendMetric(b, service, "-store", t.store, "")
	}
	if t.call.Peer == "" {
		return string(b)
	}
	b = appendMetric(b, t.call.Peer, "-call", t.call.Duration, t.call.Note)
	if t.call.RetryCount > 0 {
		b = appendMetric(b, "retries", "", t.call.Retries, strconv.Itoa(t.call.RetryCount))
	}
	if parts := t.call.Parts; parts != "" && isHeaderText(parts) {
		b = append(append(b, ", "...), parts...)
	}
	return string(b)
}

// appendMetric appends a metric with its duration in milliseconds.
func appendMetric(b []byte, name, suffix string, d time.Duration, description string) []byte {
	if len(b) > 0 {
		b = append(b, ", "...)
	}
	b = append(append(append(b, name...), suffix...), ";dur="...)
	microseconds := max(d.Microseconds(), 0)
	b = append(strconv.AppendInt(b, microseconds/1000, 10), '.')
	fraction := microseconds % 1000
	b = append(b, byte('0'+fraction/100), byte('0'+fraction/10%10), byte('0'+fraction%10))
	if description != "" {
		b = append(append(append(b, `;desc="`...), description...), '"')
	}
	return b
}

// isHeaderText reports whether the Server-Timing of a peer may be passed on.
func isHeaderText(text string) bool {
	return len(text) <= maxPeerParts && !strings.ContainsFunc(text, func(c rune) bool { return c < ' ' || c > '~' })
}

// Description returns text that can be a description in Server-Timing: what a quoted string
// must not contain is left out.
func Description(text string) string {
	return strings.Map(func(c rune) rune {
		if c < ' ' || c > '~' || c == '"' || c == '\\' {
			return -1
		}
		return c
	}, text)
}

// ShortName returns the name of a service without the suffix that it has on the wire.
func ShortName(service string) string { return strings.TrimSuffix(service, "-service") }
