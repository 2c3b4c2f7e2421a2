package connections

// Early reports whether bytes of the next request have arrived already.
func (c *Conn) Early() bool { return c.early.Load() }
