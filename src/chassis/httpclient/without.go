package httpclient

import (
	"fmt"
	"slices"
)

// Mechanism is one of the things by which a Client protects its caller or the peer.
type Mechanism string

// The mechanisms that Config.Without may name, and what is so without each.
const (
	Retries  Mechanism = "retries"  // no try of a call is repeated
	Budget   Mechanism = "budget"   // all calls may be retried, still at most twice each
	Breaker  Mechanism = "breaker"  // every call is made, and the breaker's metric says closed
	Ejection Mechanism = "ejection" // every address stays in use, dead ones too
	Latency  Mechanism = "latency"  // addresses are chosen at random, blind to latency and load
	Lookups  Mechanism = "lookups"  // the first addresses that are found stay in use for good
	Pool     Mechanism = "pool"     // each try makes a connection of its own
)

// without says whether the Client is to do without m.
func (c Config) without(m Mechanism) bool { return slices.Contains(c.Disable, m) }

// checkWithout refuses a mechanism that does not exist: a control that leaves out nothing
// would prove nothing.
func (c Config) checkWithout() error {
	known := []Mechanism{Retries, Budget, Breaker, Ejection, Latency, Lookups, Pool}
	for _, m := range c.Disable {
		if !slices.Contains(known, m) {
			return fmt.Errorf("httpclient: no mechanism %q to do without: want some of %v", m, known)
		}
	}
	return nil
}
