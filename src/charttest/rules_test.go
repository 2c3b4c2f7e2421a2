package charttest

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"go.yaml.in/yaml/v3"
)

// writeRules renders the rules of a chart and writes them to a file for promtool.
func writeRules(t *testing.T, c chart, values string) (file, text string) {
	t.Helper()
	rules := render(t, c, "{prometheusRule: {enabled: true, kind: ConfigMap"+values+"}}").find(t, "ConfigMap", c.Name+"-rules")
	file = filepath.Join(t.TempDir(), "rules.yaml")
	text = rules["data"].(map[string]any)["rules.yaml"].(string)
	require.NoError(t, os.WriteFile(file, []byte(text), 0o600))
	return file, text
}

// promtool runs promtool, which must succeed.
func promtool(t *testing.T, args ...string) {
	t.Helper()
	out, err := exec.Command(findTool(t, "promtool"), args...).CombinedOutput()
	require.NoError(t, err, "%s", out)
}

// testRules runs promtool's tests in a file against the rules of a chart.
func testRules(t *testing.T, c chart, values, testFile string) {
	t.Helper()
	file, _ := writeRules(t, c, values)
	tests, err := os.ReadFile(testFile)
	require.NoError(t, err)
	copied := filepath.Join(filepath.Dir(file), "test.yaml")
	require.NoError(t, os.WriteFile(copied, tests, 0o600))
	promtool(t, "test", "rules", copied)
}

func TestRules(t *testing.T) {
	t.Run("are well-formed", func(t *testing.T) {
		forEachChart(t, func(t *testing.T, c chart) {
			file, _ := writeRules(t, c, "")
			promtool(t, "check", "rules", "--lint-fatal", file)
		})
	})

	t.Run("fire each alert only when they should", func(t *testing.T) {
		forEachChart(t, func(t *testing.T, c chart) {
			if c.Name == "orders" { // it has all alerts of users too
				testRules(t, c, "", "testdata/rules_test.yaml")
			}
		})
	})

	t.Run("need as many requests as slo.minRequests", func(t *testing.T) {
		forEachChart(t, func(t *testing.T, c chart) {
			if c.Name == "orders" {
				testRules(t, c, "}, slo: {minRequests: 0", "testdata/rules_floor_test.yaml")
			}
			_, scaled := writeRules(t, c, ", timeScale: 0.02")
			require.Contains(t, scaled, ">= 4\n", "200 requests, scaled as the windows are")
		})
	})

	t.Run("are the same as a PrometheusRule and as a ConfigMap", func(t *testing.T) {
		forEachChart(t, func(t *testing.T, c chart) {
			_, text := writeRules(t, c, "")
			var rules map[string]any
			require.NoError(t, yaml.Unmarshal([]byte(text), &rules))
			require.Equal(t, rules, render(t, c, "{prometheusRule: {enabled: true}}").find(t, "PrometheusRule")["spec"])
		})
	})

	t.Run("scale every duration by timeScale", func(t *testing.T) {
		forEachChart(t, func(t *testing.T, c chart) {
			file, scaled := writeRules(t, c, ", timeScale: 0.02")
			promtool(t, "check", "rules", "--lint-fatal", file)
			_, plain := writeRules(t, c, "")
			durations := regexp.MustCompile(`\[(\w+)\]|for: (\w+)`)
			before, after := durations.FindAllString(plain, -1), durations.FindAllString(scaled, -1)
			require.Len(t, after, len(before))
			for i, duration := range before {
				if duration != "for: 0s" {
					require.NotEqual(t, duration, after[i])
				}
			}
			require.Contains(t, scaled, "[6s]", "five minutes")
			require.Contains(t, scaled, "[72s]", "an hour")
		})
	})

	t.Run("link each alert to its section of the runbook", func(t *testing.T) {
		runbook, err := os.ReadFile("../../docs/runbook.md")
		require.NoError(t, err)
		forEachChart(t, func(t *testing.T, c chart) {
			_, rules := writeRules(t, c, "")
			alerts := regexp.MustCompile(`alert: (\w+)`).FindAllStringSubmatch(rules, -1)
			require.NotEmpty(t, alerts)
			for _, alert := range alerts {
				require.Contains(t, string(runbook), "\n## "+alert[1]+"\n")
				require.Contains(t, rules, `runbook_url: "docs/runbook.md#`+strings.ToLower(alert[1])+"\"\n")
			}
		})
	})
}
