//go:build testhooks

package httpclient

import (
	"fmt"
	"slices"
)

// TestHooks disable mechanisms of a Client, so that a test can show what fails
// without them.
type TestHooks struct{ Disable []Mechanism }

// Disabled reports whether a mechanism is disabled.
func (h TestHooks) Disabled(m Mechanism) bool { return slices.Contains(h.Disable, m) }

// validate returns an error for an unknown mechanism: a test that disables
// nothing would show nothing.
func (h TestHooks) validate() error {
	known := []Mechanism{Retries, Budget, Breaker, Ejection, Latency, Lookups, Pool, Sharing, HoldBound}
	for _, m := range h.Disable {
		if !slices.Contains(known, m) {
			return fmt.Errorf("httpclient: unknown mechanism %q: want some of %v", m, known)
		}
	}
	return nil
}
