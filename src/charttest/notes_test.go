package charttest

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestNotes(t *testing.T) {
	t.Run("say that the NetworkPolicy denies callers from outside the cluster", func(t *testing.T) {
		forEachChart(t, func(t *testing.T, c chart) {
			for values, want := range map[string]bool{
				"":                                false,
				"{service: {type: LoadBalancer}}": true,
				"{service: {type: NodePort}}":     true,
				"{service: {type: LoadBalancer}, networkPolicy: {enabled: false}}":                                 false,
				"{service: {type: LoadBalancer}, networkPolicy: {allowFrom: [{ipBlock: {cidr: 203.0.113.0/24}}]}}": false,
			} {
				notes := renderNotes(t, c, values)
				require.Equal(t, want, strings.Contains(notes, "denies traffic from outside the cluster"), values)
				require.Equal(t, want, strings.Contains(notes, "networkPolicy.allowFrom."), values)
			}
		})
	})

	t.Run("have the scheme of each host", func(t *testing.T) {
		forEachChart(t, func(t *testing.T, c chart) {
			for tls, want := range map[string][2]string{
				"[]": {"http://a.example.com/", "http://example.com/"},
				"[{secretName: tls, hosts: [example.com]}]":     {"http://a.example.com/", "https://example.com/"},
				`[{secretName: tls, hosts: ["*.example.com"]}]`: {"https://a.example.com/", "http://example.com/"},
				"[{secretName: tls}]":                           {"https://a.example.com/", "https://example.com/"}, // of any host
			} {
				notes := renderNotes(t, c, "{ingress: {enabled: true, hosts: [a.example.com, example.com], tls: "+tls+"}}")
				require.Contains(t, notes, " "+want[0], tls)
				require.Contains(t, notes, " "+want[1], tls)
			}
		})
	})

	t.Run("say who sets the number of pods", func(t *testing.T) {
		forEachChart(t, func(t *testing.T, c chart) {
			require.Contains(t, renderNotes(t, c, "{"+postgres+", replicaCount: 3}"), "scale deployment/"+c.Name+" --replicas=3")
			for _, values := range []string{"replicaCount: null", "autoscaling: {enabled: true}"} {
				require.NotContains(t, renderNotes(t, c, "{"+postgres+", "+values+"}"), "--replicas")
			}
		})
	})

	t.Run("tell how to create the Secret", func(t *testing.T) {
		forEachChart(t, func(t *testing.T, c chart) {
			require.Contains(t, renderNotes(t, c, "{"+postgres+"}"), "create secret generic db --from-literal=DATABASE_URL=")
		})
	})

	t.Run("name the callers that the NetworkPolicy denies", func(t *testing.T) {
		const (
			allowFrom   = "networkPolicy.allowFrom."
			metricsFrom = "networkPolicy.metricsFrom."
			route       = "httpRoute: {enabled: true, parentRefs: [{name: gateway}]}"
			monitor     = "serviceMonitor: {enabled: true}"
		)
		forEachChart(t, func(t *testing.T, c chart) {
			for values, want := range map[string][2]bool{
				"":                           {false, false},
				"{ingress: {enabled: true}}": {true, false},
				"{" + route + "}":            {true, false},
				"{" + monitor + "}":          {false, true},
				"{" + route + ", " + monitor + ", networkPolicy: {enabled: false}}":                       {false, false},
				"{" + route + ", " + monitor + ", networkPolicy: {metricsFrom: [{podSelector: {}}]}}":     {true, false},
				"{" + route + ", " + monitor + ", networkPolicy: {allowFrom: [{namespaceSelector: {}}]}}": {false, false},
			} {
				notes := renderNotes(t, c, values)
				require.Equal(t, want, [2]bool{strings.Contains(notes, allowFrom), strings.Contains(notes, metricsFrom)}, "%s %s", c.Name, values)
			}
		})
	})
}

// renderNotes returns what Helm prints after an install. `helm template` does not
// print notes, so they become a manifest in a copy of the chart.
func renderNotes(t *testing.T, c chart, values string) string {
	t.Helper()
	folder := filepath.Join(t.TempDir(), c.Name)
	copyChart(t, c, folder)
	notes, err := os.ReadFile(filepath.Join(folder, "templates/NOTES.txt"))
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(filepath.Join(folder, "templates/notes.yaml"), notes, 0o600))
	command := exec.Command(findTool(t, "helm"), "template", c.Name, folder, "--kube-version", minKubernetesVersion,
		"--show-only", "templates/notes.yaml", "--debug", "--values", "-")
	command.Stdin = strings.NewReader(values)
	rendered, _ := command.Output() // helm fails because notes are not YAML, but prints them with --debug
	require.Contains(t, string(rendered), "Call it:")
	return string(rendered)
}
