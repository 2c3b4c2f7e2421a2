package connections

import "time"

// Early reports whether bytes of the next request have arrived already.
func (c *Conn) Early() bool { return c.early.Load() }

// Stalled returns the time for which the client has made no progress.
func (c *Conn) Stalled() time.Duration { return c.stalled(c.listener.now()) }
