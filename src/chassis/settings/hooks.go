//go:build !testhooks

package settings

// TestHooks is empty in a production program. The settings that only tests need
// exist in programs that are built with the tag testhooks.
type TestHooks struct{}
