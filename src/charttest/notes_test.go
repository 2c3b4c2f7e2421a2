package charttest

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestTheNotesTellWhomThePolicyRefuses(t *testing.T) {
	const (
		callers = "networkPolicy.allowFrom."
		scraper = "networkPolicy.metricsFrom."
		route   = "httpRoute: {enabled: true, parentRefs: [{name: gateway}]}"
		monitor = "serviceMonitor: {enabled: true}"
	)
	for _, c := range bothCharts() {
		for values, want := range map[string][2]bool{
			"":                           {false, false},
			"{ingress: {enabled: true}}": {true, false},
			"{" + route + "}":            {true, false},
			"{" + monitor + "}":          {false, true},
			"{" + route + ", " + monitor + ", networkPolicy: {enabled: false}}":                       {false, false},
			"{" + route + ", " + monitor + ", networkPolicy: {metricsFrom: [{podSelector: {}}]}}":     {true, false},
			"{" + route + ", " + monitor + ", networkPolicy: {allowFrom: [{namespaceSelector: {}}]}}": {false, false},
		} {
			notes := notesOf(t, c, values)
			require.Equal(t, want, [2]bool{strings.Contains(notes, callers), strings.Contains(notes, scraper)}, "%s %s", c.Name, values)
		}
	}
}

// notesOf returns what Helm prints after an install. Without a cluster Helm
// prints no notes, so they are rendered as an object of a copy of the chart.
func notesOf(t *testing.T, c chart, values string) string {
	t.Helper()
	folder := filepath.Join(t.TempDir(), c.Name)
	out, err := exec.Command("cp", "--recursive", "--dereference", filepath.Join("../../charts", c.Name), folder).CombinedOutput()
	require.NoError(t, err, "%s", out)
	notes, err := os.ReadFile(filepath.Join(folder, "templates/NOTES.txt"))
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(filepath.Join(folder, "templates/notes.yaml"), notes, 0o600))
	command := exec.Command(tool(t, "helm"), "template", c.Name, folder, "--kube-version", lowestKubernetes,
		"--show-only", "templates/notes.yaml", "--debug", "--values", "-")
	command.Stdin = strings.NewReader(values)
	rendered, _ := command.Output() // that notes are no YAML is an error, but they are printed all the same
	require.Contains(t, string(rendered), "Call it:")
	return string(rendered)
}
