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
type row struct{ what, figure, bound, met string }

type table []row

const (
	met    = "yes"
	missed = "**no**"
)

// atLeast is the row of a figure that is bounded from below. Where requests
// failed, the bound is not met, whatever the figure.
func atLeast(what string, figure, bound float64, failures string) row {
	return judged(row{what: what, figure: fmt.Sprintf("%.2f", figure), bound: fmt.Sprintf("≥ %.2f", bound)}, figure >= bound, failures)
}

// atMost is the row of a figure that is bounded from above.
func atMost(what string, figure, bound float64, unit, failures string) row {
	r := row{what: what, figure: fmt.Sprintf("%.2f%s", figure, unit), bound: fmt.Sprintf("≤ %g%s", bound, unit)}
	return judged(r, figure <= bound, failures)
}

func judged(r row, holds bool, failures string) row {
	r.met = met
	if !holds || failures != "" {
		r.met = missed
	}
	r.figure += inBrackets(failures)
	return r
}

func inBrackets(failures string) string {
	if failures == "" {
		return ""
	}
	return " (failed: " + failures + ")"
}

// note is a row that explains others.
func note(what, format string, args ...any) row {
	return row{what, fmt.Sprintf(format, args...), "–", "–"}
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
	fmt.Fprintf(w, "\n%s\n\n| what | figure | bound | met? |\n|---|---|---|---|\n", machine)
	for _, r := range t {
		fmt.Fprintf(w, "| %s | %s | %s | %s |\n", r.what, r.figure, r.bound, r.met)
	}
}

// machine names what the figures were measured on.
func (l *lab) machine() string {
	postgres := "not used"
	if l.postgresVersion != "" {
		postgres = l.postgresVersion
	}
	return fmt.Sprintf("%s, %d cores, %s/%s, %s, PostgreSQL %s",
		cpuModel(), runtime.NumCPU(), runtime.GOOS, runtime.GOARCH, runtime.Version(), postgres)
}

// cpuModel is the processor's name where the system tells it as Linux does.
func cpuModel() string {
	if model := field("/proc/cpuinfo", "model name"); model != "" {
		return model
	}
	return "unknown CPU"
}

// field is the value of the first line "name : value" in a file; empty where
// there is none.
func field(path, name string) string {
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
