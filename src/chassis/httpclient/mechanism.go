package httpclient

// Mechanism is a part of a Client that protects its caller or the peer.
type Mechanism string

// The mechanisms that TestHooks can disable, and how a Client behaves without each.
const (
	Retries  Mechanism = "retries"  // each call makes one attempt
	Budget   Mechanism = "budget"   // each call may be retried twice, without a common limit
	Breaker  Mechanism = "breaker"  // every call is made; the breaker stays closed
	Ejection Mechanism = "ejection" // every endpoint stays in use, even those that are down
	Latency  Mechanism = "latency"  // endpoints are chosen in turn, whatever their latency and load
	Lookups  Mechanism = "lookups"  // no lookup follows the first one that finds addresses
	Pool     Mechanism = "pool"     // each attempt opens a new connection
)

// Mechanisms of a caller that makes one call for several of its own callers. A Client
// does not heed them.
const (
	Sharing   Mechanism = "sharing"    // each caller makes a call of its own
	HoldBound Mechanism = "hold-bound" // callers wait for the call under way, however long it takes
)
