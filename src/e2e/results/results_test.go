package results_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"tandem/src/e2e/results"
)

const (
	file   = "../../../docs/resilience.json"
	readme = "../../../README.md"
)

func TestTheREADMEShowsTheResults(t *testing.T) {
	all, err := results.Read(file)
	if err != nil || len(all) == 0 {
		t.Fatal("there are no results:", err)
	}
	text, err := os.ReadFile(readme)
	if err != nil {
		t.Fatal(err)
	}
	want, err := results.Replace(string(text), results.Table(all))
	if err != nil || want != string(text) {
		t.Fatal("the README's table is not what docs/resilience.json says:", err)
	}
}

func TestAResultReplacesThatOfTheSameScenario(t *testing.T) {
	file := filepath.Join(t.TempDir(), "results.json")
	for _, r := range []results.Result{{Scenario: "a", Measured: "1"}, {Scenario: "b"}, {Scenario: "a", Measured: "2"}} {
		if err := results.Add(file, r); err != nil {
			t.Fatal(err)
		}
	}
	all, err := results.Read(file)
	if err != nil || len(all) != 2 || all[0].Measured != "2" || all[1].Scenario != "b" {
		t.Fatal(all, err)
	}
}

func TestTheTableSaysWhatIsNotAsItHasToBe(t *testing.T) {
	table := results.Table([]results.Result{{Date: "2026-01-01T03:04:05Z", Machine: "one core"}, {
		Scenario: "s", Demand: "d", Measured: "m", Date: "2026-01-02T03:04:05Z", Machine: "one core",
		Controls: []results.Control{{Without: "x", Measured: "n"}},
	}})
	for _, want := range []string{"| s | d | **not so:** m | *x*: **not so:** n |", "\n2026-01-01, one core.\n\n2026-01-02, one core.\n"} {
		if !strings.Contains(table, want) {
			t.Fatalf("%q is not in %s", want, table)
		}
	}
}
