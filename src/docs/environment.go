package main

import (
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// variable is one value of an OTEL_ variable and what happens, from the file of
// which src/chassis/telemetry tests each row.
type variable struct {
	Variable, Value string
	With            map[string]string // other variables
	Outcome, Effect string
}

// environmentTable returns the table of OTEL_ variables as Markdown.
func environmentTable(root string) (string, error) {
	file := filepath.Join(root, "src/chassis/telemetry/testdata/environment.json")
	text, err := os.ReadFile(file)
	if err != nil {
		return "", err
	}
	var all []variable
	if err := json.Unmarshal(text, &all); err != nil {
		return "", fmt.Errorf("%s: %w", file, err)
	}
	var b strings.Builder
	b.WriteString("| Variable | Value | It is | What happens |\n| --- | --- | --- | --- |\n")
	previous := ""
	for _, v := range all {
		name := ""
		if v.Variable != previous {
			name = "`" + v.Variable + "`"
		}
		previous = v.Variable
		fmt.Fprintf(&b, "| %s | `%s`%s | %s | %s |\n", name, v.Value, formatWith(v.With), v.Outcome, v.Effect)
	}
	return b.String(), nil
}

// formatWith returns the other variables of a row.
func formatWith(others map[string]string) string {
	var all []string
	for _, name := range slices.Sorted(maps.Keys(others)) {
		all = append(all, "`"+name+"="+others[name]+"`")
	}
	if all == nil {
		return ""
	}
	return " with " + strings.Join(all, ", ")
}
