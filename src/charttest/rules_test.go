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

// rulesOf writes the rules of a chart to a file for promtool.
func rulesOf(t *testing.T, c chart, values string) (file, text string) {
	t.Helper()
	rules := render(t, c, "{prometheusRule: {enabled: true, kind: ConfigMap"+values+"}}").one(t, "ConfigMap", c.Name+"-rules")
	file = filepath.Join(t.TempDir(), "rules.yaml")
	text = rules["data"].(map[string]any)["rules.yaml"].(string)
	require.NoError(t, os.WriteFile(file, []byte(text), 0o600))
	return file, text
}

func promtool(t *testing.T, args ...string) {
	t.Helper()
	out, err := exec.Command(tool(t, "promtool"), args...).CombinedOutput()
	require.NoError(t, err, "%s", out)
}

func TestTheRulesAreWellFormed(t *testing.T) {
	for _, c := range bothCharts() {
		file, _ := rulesOf(t, c, "")
		promtool(t, "check", "rules", "--lint-fatal", file)
	}
}

func TestEachAlertFiresWhenItShouldAndOnlyThen(t *testing.T) {
	for _, c := range bothCharts() {
		if c.Name == "orders" { // which has every alert that users has
			file, _ := rulesOf(t, c, "")
			tests, err := os.ReadFile("testdata/rules_test.yaml")
			require.NoError(t, err)
			beside := filepath.Join(filepath.Dir(file), "test.yaml")
			require.NoError(t, os.WriteFile(beside, tests, 0o600))
			promtool(t, "test", "rules", beside)
		}
	}
}

func TestTheOperatorGetsTheRulesThatAPlainPrometheusGets(t *testing.T) {
	for _, c := range bothCharts() {
		_, text := rulesOf(t, c, "")
		var rules map[string]any
		require.NoError(t, yaml.Unmarshal([]byte(text), &rules))
		require.Equal(t, rules, render(t, c, "{prometheusRule: {enabled: true}}").one(t, "PrometheusRule")["spec"])
	}
}

func TestEveryTimeSpanOfTheRulesIsScaled(t *testing.T) {
	for _, c := range bothCharts() {
		file, scaled := rulesOf(t, c, ", timeScale: 0.02")
		promtool(t, "check", "rules", "--lint-fatal", file)
		_, plain := rulesOf(t, c, "")
		spans := regexp.MustCompile(`\[(\w+)\]|for: (\w+)`)
		before, after := spans.FindAllString(plain, -1), spans.FindAllString(scaled, -1)
		require.Len(t, after, len(before))
		for i, span := range before {
			if span != "for: 0s" {
				require.NotEqual(t, span, after[i])
			}
		}
		require.Contains(t, scaled, "[6s]", "five minutes")
		require.Contains(t, scaled, "[72s]", "an hour")
	}
}

func TestTheRunbookHasASectionForEachAlert(t *testing.T) {
	runbook, err := os.ReadFile("../../docs/runbook.md")
	require.NoError(t, err)
	for _, c := range bothCharts() {
		_, rules := rulesOf(t, c, "")
		alerts := regexp.MustCompile(`alert: (\w+)`).FindAllStringSubmatch(rules, -1)
		require.NotEmpty(t, alerts)
		for _, alert := range alerts {
			require.Contains(t, string(runbook), "\n## "+alert[1]+"\n")
			require.Contains(t, rules, `runbook_url: "docs/runbook.md#`+strings.ToLower(alert[1])+"\"\n")
		}
	}
}
