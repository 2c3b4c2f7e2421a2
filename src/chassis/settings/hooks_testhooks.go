//go:build testhooks

package settings

// TestHooks are the settings of a service that only tests need.
type TestHooks struct {
	FaultPort int `default:"0" min:"0" max:"65535" help:"Loopback port where a test can inject faults; 0: none. Only in builds for tests."`
}
