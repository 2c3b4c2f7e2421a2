// Package build knows what this binary was built from.
package build

import "runtime"

// Stamped by the linker: go build -ldflags "-X tandem/src/chassis/build.version=…".
var (
	version = "dev"
	commit  = "unknown"
	date    = "unknown"
)

// Info are the facts of a build, as GET /version answers them.
type Info struct {
	Service string `json:"service"`
	Version string `json:"version"`
	Commit  string `json:"commit"`
	Date    string `json:"date"` // RFC 3339 UTC, or "unknown"
	Go      string `json:"go"`   // version of the toolchain
}

// For returns the facts of this binary, for a service of that name.
func For(service string) Info {
	return Info{Service: service, Version: version, Commit: commit, Date: date, Go: runtime.Version()}
}
