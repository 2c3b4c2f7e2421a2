package main

import (
	"bufio"
	"fmt"
	"io"
	"os"
	"runtime"
	"strings"
)

// row is one line of the table.
type row struct{ what, value, bound, met string }

type table []row

// The values of row.met.
const (
	met     = "yes"
	missed  = "**no**"
	noBound = "–"
)

// atLeast returns the row of a value that must be at least bound. Failed
// requests make the bound missed, whatever the value.
func atLeast(what string, value, bound float64, failures string) row {
	r := row{what, fmt.Sprintf("%.2f", value), fmt.Sprintf("≥ %.2f", bound), metIf(value >= bound)}
	return r.withFailures(failures)
}

// atMost returns the row of a value that must be at most bound.
func atMost(what string, value, bound float64, unit, failures string) row {
	r := row{what, fmt.Sprintf("%.2f%s", value, unit), fmt.Sprintf("≤ %g%s", bound, unit), metIf(value <= bound)}
	return r.withFailures(failures)
}

// note returns a row without a bound.
func note(what, format string, args ...any) row {
	return row{what, fmt.Sprintf(format, args...), noBound, noBound}
}

func metIf(ok bool) string {
	if ok {
		return met
	}
	return missed
}

// withFailures adds the description of failed requests, if there are any, and
// marks the row as missed.
func (r row) withFailures(failures string) row {
	if failures != "" {
		r.met = missed
		r.value += inParentheses(failures)
	}
	return r
}

func inParentheses(failures string) string {
	if failures == "" {
		return ""
	}
	return " (failed: " + failures + ")"
}

func (t table) missed() bool {
	for _, r := range t {
		if r.met == missed {
			return true
		}
	}
	return false
}

func (t table) print(w io.Writer, machine string) {
	fmt.Fprintf(w, "\n%s\n\n| what | value | bound | met? |\n|---|---|---|---|\n", machine)
	for _, r := range t {
		fmt.Fprintf(w, "| %s | %s | %s | %s |\n", r.what, r.value, r.bound, r.met)
	}
}

// machineDescription returns the processor, the platform and the Go version.
func machineDescription() string {
	cpu := readField("/proc/cpuinfo", "model name")
	if cpu == "" {
		cpu = "unknown CPU"
	}
	return fmt.Sprintf("%s, %d cores, %s/%s, %s", cpu, runtime.NumCPU(), runtime.GOOS, runtime.GOARCH, runtime.Version())
}

// readField returns the value of the first line "name : value" of a file, as
// Linux writes them in /proc; empty if there is no such line or file.
func readField(path, name string) string {
	file, err := os.Open(path)
	if err != nil {
		return ""
	}
	defer file.Close()
	for lines := bufio.NewScanner(file); lines.Scan(); {
		if key, value, _ := strings.Cut(lines.Text(), ":"); strings.TrimSpace(key) == name {
			return strings.TrimSpace(value)
		}
	}
	return ""
}
