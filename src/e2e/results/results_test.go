package results_test

import (
	"path/filepath"
	"testing"

	"tandem/src/e2e/results"
)

func TestAdd(t *testing.T) {
	t.Run("replaces_the_result_of_the_same_scenario", func(t *testing.T) {
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
	})
}
