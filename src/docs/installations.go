package main

import (
	"fmt"
	"strings"
)

// installation is one way to install both services in docs/installations.json, which
// the tests on the cluster write (src/e2e/results).
type installation struct {
	Kubernetes string // version of the cluster
	Helm       string // version of Helm, or the command that installs
	Charts     string // what is installed
	Source     string // where the charts come from
	Works      bool
	Date       string // RFC 3339
}

// installationsTable returns the results of all installations as Markdown.
func installationsTable(all []installation) string {
	var b strings.Builder
	b.WriteString("| Kubernetes | Helm | Charts | From | Works | Tested |\n| --- | --- | --- | --- | --- | --- |\n")
	for _, i := range all {
		works := "yes"
		if !i.Works {
			works = "**no**"
		}
		date, _, _ := strings.Cut(i.Date, "T")
		fmt.Fprintf(&b, "| %s | %s | %s | %s | %s | %s |\n", i.Kubernetes, i.Helm, i.Charts, i.Source, works, date)
	}
	return b.String()
}
