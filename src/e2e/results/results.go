// Package results keeps what the tests of resilience have measured, as JSON and
// as the README's table.
package results

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"slices"
	"strings"
)

// Result is what came of one scenario.
type Result struct {
	Scenario string    // what happened, under load
	Demand   string    // what had to hold
	Met      bool      // whether it did
	Measured string    // the figures
	Controls []Control // the same with a mechanism off
	Requests int       // that were asked for at least; some scenarios send fewer
	Machine  string
	Date     string // of the run, by RFC 3339
}

// Control is what came of a scenario while a mechanism was off.
type Control struct {
	Without  string // the mechanism
	Red      bool   // whether the demand was missed, as it has to be
	Measured string // the figures
}

// Read gives the results in a file of JSON; none where there is no file.
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

// Add writes a result into a file of JSON, in place of that of the same scenario.
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
	return os.WriteFile(file, append(text, '\n'), 0o644) //nolint:gosec // to be read by anybody
}

// Table is the results as Markdown.
func Table(all []Result) string {
	var b strings.Builder
	b.WriteString("| Under load | Must hold | Measured | The same without |\n| --- | --- | --- | --- |\n")
	for _, r := range all {
		fmt.Fprintf(&b, "| %s | %s | %s%s | %s |\n", r.Scenario, r.Demand, mark(r.Met), r.Measured, controls(r.Controls))
	}
	for _, line := range made(all) {
		b.WriteString("\n" + line + "\n")
	}
	return b.String()
}

// made says on which days and machines the results were measured.
func made(all []Result) (lines []string) {
	for _, r := range all {
		if line := r.Date[:10] + ", " + r.Machine + "."; !slices.Contains(lines, line) {
			lines = append(lines, line)
		}
	}
	return lines
}

func controls(all []Control) string {
	var cells []string
	for _, c := range all {
		cells = append(cells, fmt.Sprintf("*%s*: %s%s", c.Without, mark(c.Red), c.Measured))
	}
	if cells == nil {
		return "–"
	}
	return strings.Join(cells, "<br>")
}

// mark stands in front of what is not as it has to be.
func mark(good bool) string {
	if good {
		return ""
	}
	return "**not so:** "
}

const (
	begin = "<!-- results: made by make e2e-full -->\n"
	end   = "<!-- end of results -->\n"
)

// Replace gives a text with the table between its two marks.
func Replace(text, table string) (string, error) {
	before, rest, found := strings.Cut(text, begin)
	_, after, closed := strings.Cut(rest, end)
	if !found || !closed {
		return "", fmt.Errorf("there is no place for the table between %q and %q", begin, end)
	}
	return before + begin + table + end + after, nil
}

// Show puts the results in a file of JSON into a file of Markdown.
func Show(file, markdown string) error {
	all, err := Read(file)
	if err != nil {
		return err
	}
	text, err := os.ReadFile(markdown)
	if err != nil {
		return err
	}
	next, err := Replace(string(text), Table(all))
	if err != nil {
		return err
	}
	return os.WriteFile(markdown, []byte(next), 0o644) //nolint:gosec // to be read by anybody
}
