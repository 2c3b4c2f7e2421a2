package main

import (
	"encoding/json"
	"fmt"
	"os"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// result is one scenario in docs/resilience.json, which the tests on the
// cluster write (src/e2e/results).
type result struct {
	Scenario string    // what happens under load
	Demand   string    // what must hold
	Met      bool      // whether it holds
	Measured string    // the figures
	Controls []control // the same scenario, each with a mechanism disabled
	Machine  string
	Date     string // RFC 3339
}

// control is a scenario that ran with a mechanism disabled.
type control struct {
	Without  string // the mechanism
	Red      bool   // whether the demand was missed, as expected
	Measured string
}

// readResults returns the entries of a JSON file that tests write.
func readResults[T any](file string) (all []T, err error) {
	text, err := os.ReadFile(file)
	if err != nil {
		return nil, err
	}
	if err := json.Unmarshal(text, &all); err != nil {
		return nil, fmt.Errorf("%s: %w", file, err)
	}
	return all, nil
}

// fullTable returns every figure of the results as Markdown.
func fullTable(all []result) string {
	var b strings.Builder
	b.WriteString("| Under load | Must hold | Measured | With a mechanism disabled |\n| --- | --- | --- | --- |\n")
	for _, r := range all {
		fmt.Fprintf(&b, "| %s | %s | %s%s | %s |\n", r.Scenario, r.Demand, mark(r.Met), r.Measured, formatControls(r.Controls))
	}
	b.WriteString(formatMachines(all))
	return b.String()
}

// none stands where a result has no such figure.
const none = "–"

// shortTable returns one line for each result with figures of its requests, as
// Markdown: how many were sent, how many failed, and the 99th percentile of their
// duration. A result without these figures has a line only if it is not as required.
func shortTable(all []result) string {
	var b strings.Builder
	b.WriteString("| Scenario | Requests | Failed | p99 | As required |\n| --- | ---: | ---: | ---: | --- |\n")
	for _, r := range all {
		held := "yes"
		if !r.Met {
			held = "**no**: " + r.Measured
		}
		requests, failed, p99 := summarize(r.Measured)
		if r.Met && p99 == none {
			continue
		}
		fmt.Fprintf(&b, "| %s | %s | %s | %s | %s |\n", r.Scenario, requests, failed, p99, held)
	}
	b.WriteString(formatMachines(all))
	return b.String()
}

// summarize reads the load generator's figures out of a result's text. Of
// several phases it adds up requests and failures and takes the highest p99. A
// figure that the text does not hold is a dash.
func summarize(measured string) (requests, failed, p99 string) {
	phases := regexp.MustCompile(`(\d+) requests, (\d+) failed(?: \([^)]*\))?`+
		`(?:, \d+ \w+(?: \([^)]*\))?)*, p99 (\d+) ms`).FindAllStringSubmatch(measured, -1)
	if len(phases) == 0 {
		return none, none, none
	}
	var sent, bad, slowest int
	for _, phase := range phases {
		sent += atoi(phase[1])
		bad += atoi(phase[2])
		slowest = max(slowest, atoi(phase[3]))
	}
	return strconv.Itoa(sent), strconv.Itoa(bad), fmt.Sprintf("%d ms", slowest)
}

// atoi returns the number of a text that consists of digits.
func atoi(digits string) int {
	n, _ := strconv.Atoi(digits)
	return n
}

// formatMachines returns the dates and machines of the results, one line each.
func formatMachines(all []result) string {
	var lines []string
	for _, r := range all {
		date, _, _ := strings.Cut(r.Date, "T")
		if line := "\n" + date + ", " + r.Machine + ".\n"; !slices.Contains(lines, line) {
			lines = append(lines, line)
		}
	}
	return strings.Join(lines, "")
}

func formatControls(all []control) string {
	var cells []string
	for _, c := range all {
		cells = append(cells, fmt.Sprintf("*%s*: %s%s", c.Without, mark(c.Red), c.Measured))
	}
	if cells == nil {
		return none
	}
	return strings.Join(cells, "<br>")
}

// mark returns the words in front of a figure that is not as required.
func mark(asRequired bool) string {
	if asRequired {
		return ""
	}
	return "**not as required:** "
}
