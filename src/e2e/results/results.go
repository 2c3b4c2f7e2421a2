// Package results stores the results of the tests on the cluster as JSON. The
// command src/docs makes the tables of the documentation from these files.
package results

import (
	"encoding/json"
	"errors"
	"io/fs"
	"os"
	"slices"
)

// Result is the result of one scenario of the resilience tests.
type Result struct {
	Scenario string    // what happens under load
	Demand   string    // what must hold
	Met      bool      // whether it holds
	Measured string    // the figures
	Controls []Control // the same scenario, each with a mechanism disabled
	Requests int       // how many a rollout has to withstand (E2E_REQUESTS)
	Machine  string
	Date     string // of the run, RFC 3339
}

// Control is the result of a scenario that ran with a mechanism disabled.
type Control struct {
	Without  string // the mechanism
	Red      bool   // whether the demand was missed, as expected
	Measured string // the figures
}

// Installation is the result of one way to install both services.
type Installation struct {
	Kubernetes string // version of the cluster, such as 1.37.2
	Helm       string // version of Helm, or the command that installs
	Charts     string // what is installed
	Source     string // where the charts come from
	Works      bool
	Date       string // of the run, RFC 3339
}

// Add writes a result into a JSON file and replaces the result of the same
// scenario.
func Add(file string, r Result) error {
	return add(file, r, func(other Result) bool { return other.Scenario == r.Scenario })
}

// AddInstallation writes a result into a JSON file and replaces that of the same
// installation.
func AddInstallation(file string, i Installation) error {
	return add(file, i, func(other Installation) bool {
		other.Works, other.Date = i.Works, i.Date
		return other == i
	})
}

// Read returns the entries of a JSON file, and none if the file does not exist.
func Read[T any](file string) (found []T, err error) {
	text, err := os.ReadFile(file)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	return found, json.Unmarshal(text, &found)
}

// add replaces the entry of a JSON file for which same returns true, or appends
// the new one.
func add[T any](file string, entry T, same func(other T) bool) error {
	all, err := Read[T](file)
	if err != nil {
		return err
	}
	if i := slices.IndexFunc(all, same); i >= 0 {
		all[i] = entry
	} else {
		all = append(all, entry)
	}
	text, err := json.MarshalIndent(all, "", "  ")
	if err != nil {
		return err
	}
	return os.WriteFile(file, append(text, '\n'), 0o644) //nolint:gosec // readable by everybody
}
