// Package results stores the results of the resilience tests as JSON. The command
// src/docs makes the tables of the documentation from that file.
package results

import (
	"encoding/json"
	"errors"
	"io/fs"
	"os"
	"slices"
)

// Result is the result of one scenario.
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

// Read returns the results in a JSON file, and no results if the file does not
// exist.
func Read(file string) (found []Result, err error) {
	text, err := os.ReadFile(file)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	return found, json.Unmarshal(text, &found)
}

// Add writes a result into a JSON file and replaces the result of the same
// scenario.
func Add(file string, r Result) error {
	all, err := Read(file)
	if err != nil {
		return err
	}
	same := func(other Result) bool { return other.Scenario == r.Scenario }
	if i := slices.IndexFunc(all, same); i >= 0 {
		all[i] = r
	} else {
		all = append(all, r)
	}
	text, err := json.MarshalIndent(all, "", "  ")
	if err != nil {
		return err
	}
	return os.WriteFile(file, append(text, '\n'), 0o644) //nolint:gosec // readable by everybody
}
