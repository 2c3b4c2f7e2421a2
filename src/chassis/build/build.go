// Package build provides the version of this binary.
package build

import (
	"fmt"
	"runtime"
)

// Set by the linker: go build -ldflags "-X tandem/src/chassis/build.version=…".
var (
	version = "dev"
	commit  = "unknown"
	date    = "unknown"
)

// Info describes the binary of a service. Its JSON form is the body of the
// response to GET /version.
type Info struct {
	Service string `json:"service"`
	Version string `json:"version"` // semantic version, or "dev"
	Commit  string `json:"commit"`  // git commit, or "unknown"
	Date    string `json:"date"`    // date of the build, RFC 3339 in UTC, or "unknown"
	Go      string `json:"go"`      // version of the Go toolchain
}

// For returns the Info of this binary with the name of a service.
func For(service string) Info {
	return Info{Service: service, Version: version, Commit: commit, Date: date, Go: runtime.Version()}
}

// String returns the version and what it was built from, for --version.
func (i Info) String() string {
	return fmt.Sprintf("%s (commit %s, built %s with %s)", i.Version, i.Commit, i.Date, i.Go)
}
