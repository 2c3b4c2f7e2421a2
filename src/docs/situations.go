package main

import (
	"fmt"
	"strings"
)

// situation is one row of docs/postgresql.json, which the tests of src/cmd write if
// DATABASE_RESULTS names the file.
type situation struct {
	Situation string // what happens to the database
	Caller    string // what callers see
	Lasts     string // for how long
	Readiness string
	Lost      string // of the acknowledged orders
	Machine   string
	Date      string // RFC 3339, without the time
}

// situationTable returns the situations as Markdown.
func situationTable(all []situation) string {
	var b strings.Builder
	b.WriteString("| Situation | Callers see | For how long | Readiness | Lost |\n| --- | --- | --- | --- | --- |\n")
	machines := make([]result, 0, len(all))
	for _, s := range all {
		fmt.Fprintf(&b, "| %s | %s | %s | %s | %s |\n", s.Situation, s.Caller, s.Lasts, s.Readiness, s.Lost)
		machines = append(machines, result{Machine: s.Machine, Date: s.Date})
	}
	b.WriteString(formatMachines(machines))
	return b.String()
}
