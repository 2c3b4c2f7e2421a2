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
		all, err := results.Read[results.Result](file)
		if err != nil || len(all) != 2 || all[0].Measured != "2" || all[1].Scenario != "b" {
			t.Fatal(all, err)
		}
	})
}

func TestAddInstallation(t *testing.T) {
	t.Run("replaces_the_result_of_the_same_installation", func(t *testing.T) {
		file := filepath.Join(t.TempDir(), "installations.json")
		for _, i := range []results.Installation{{Helm: "4", Date: "1"}, {Helm: "3"}, {Helm: "4", Works: true, Date: "2"}} {
			if err := results.AddInstallation(file, i); err != nil {
				t.Fatal(err)
			}
		}
		all, err := results.Read[results.Installation](file)
		if err != nil || len(all) != 2 || !all[0].Works || all[0].Date != "2" || all[1].Helm != "3" {
			t.Fatal(all, err)
		}
	})
}
