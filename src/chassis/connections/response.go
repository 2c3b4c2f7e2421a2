package connections

import (
	"context"
	"time"
)

const (
	// maxResponseWait is the longest time that a request waits for the responses of
	// others to be sent: those that make no progress are cut before.
	maxResponseWait = 3 * time.Second
	// responsePoll is the time between two looks whether they are sent.
	responsePoll = 10 * time.Millisecond
)

// BeginResponse declares that a response of so many bytes is in memory and waits to be
// sent. EndResponse must be called.
func (c *Conn) BeginResponse(bytes int64) {
	if c == nil {
		return
	}
	c.unsent.Store(bytes)
	c.listener.unsent.Add(bytes)
}

// EndResponse declares that the response is sent, or never will be.
func (c *Conn) EndResponse() {
	if c != nil {
		c.listener.unsent.Add(-c.unsent.Swap(0))
	}
}

// AwaitResponses waits while the responses of all connections have more bytes than
// the limits allow, up to maxResponseWait. It reports whether there is room for another
// response.
func (c *Conn) AwaitResponses(ctx context.Context) bool {
	if c == nil || !c.listener.responsesFull() {
		return true
	}
	c.listener.relieveResponses()
	ctx, cancel := context.WithTimeout(ctx, maxResponseWait)
	defer cancel()
	poll := time.NewTicker(responsePoll)
	defer poll.Stop()
	for c.listener.responsesFull() {
		select {
		case <-ctx.Done():
			return false
		case <-poll.C:
		}
	}
	return true
}

func (l *Listener) responsesFull() bool {
	return l.limits.Responses.Bytes > 0 && l.unsent.Load() > l.limits.Responses.Bytes
}

// relieveResponses closes the connections whose response makes no progress, the
// slowest first, until the number and the bytes of responses are within the limits.
func (l *Listener) relieveResponses() {
	number, bytes, most := 0, l.unsent.Load(), l.limits.Responses
	for _, c := range l.all() {
		if c.writing.Load() != 0 {
			number++
		}
	}
	tooMany := func() bool { return most.Number > 0 && number > most.Number }
	tooLarge := func() bool { return most.Bytes > 0 && bytes > most.Bytes }
	if !tooMany() && !tooLarge() {
		return
	}
	for _, c := range l.slowest(number, func(c *Conn) bool { return c.writing.Load() != 0 && c.stalled(l.now()) >= noProgress }) {
		if size := c.unsent.Load(); tooMany() || tooLarge() && size > 0 {
			number--
			bytes -= size
			_ = c.Close()
		}
	}
}
