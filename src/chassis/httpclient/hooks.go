//go:build !testhooks

package httpclient

// TestHooks is empty in a production program: only programs that are built with
// the tag testhooks can disable a mechanism.
type TestHooks struct{}

// Disabled reports whether a mechanism is disabled: never.
func (TestHooks) Disabled(Mechanism) bool { return false }

func (TestHooks) validate() error { return nil }
