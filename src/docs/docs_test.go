package main

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

const root = "../.."

func TestGeneratedParts(t *testing.T) {
	files, err := generate(t.Context(), root)
	require.NoError(t, err)
	require.Len(t, files, 6)
	for name, want := range files {
		t.Run(name, func(t *testing.T) {
			got, err := os.ReadFile(filepath.Join(root, name))
			require.NoError(t, err)
			require.Equal(t, want, string(got), "%s is stale: run `make docs`", name)
		})
	}
}

func TestSettings(t *testing.T) {
	// TestGeneratedParts shows that this is what the programs say.
	settings := generatedPart(t, filepath.Join(root, "docs/settings.md"))
	t.Run("every_setting_has_a_row_with_its_default", func(t *testing.T) {
		for _, row := range []string{
			"| `PORT` | `--port` | users, orders | 5001 in users, 5002 in orders | a whole number from 0 to 65535 | ",
			"| `DATABASE_URL` | `--database-url` | users, orders | empty | ",
			"| `DATA_DIR` | `--data-dir` | users, orders, tandem | data | ",
			"| `SEED_DEMO_DATA` | `--seed-demo-data` | users, orders, tandem | false | true or false | ",
			"| `USERS_URL` | `--users-url` | orders | http://127.0.0.1:5001 | ",
			"| `USERS_TIMEOUT` | `--users-timeout` | orders, tandem | 900ms | ",
			"| `ORDERS_PORT` | `--orders-port` | tandem | 5002 | ",
		} {
			require.Contains(t, settings, row)
		}
	})
	t.Run("a_bracketed_variable_in_the_help_is_a_row", func(t *testing.T) {
		found := parseHelp("Flags:\n  -h, --help  Show help.\n" +
			"      --a-b=\"x\"  First\n   line. [A_B; default x]\n" +
			"      --c=URL  Second. [C; a URL\n   like x://y; default empty]\n")
		require.Equal(t, []setting{
			{variable: "A_B", flag: "a-b", meaning: "First line.", defaults: []string{"x"}},
			{variable: "C", flag: "c", meaning: "Second.", valid: "a URL like x://y", defaults: []string{"empty"}},
		}, found)
	})
	t.Run("test_switches_are_not_in_the_production_table", func(t *testing.T) {
		for _, name := range []string{"FAULT_PORT", "USERS_DISABLE"} {
			require.NotContains(t, settings, name)
		}
	})
}

// generatedPart returns the generated part of a file.
func generatedPart(t *testing.T, file string) string {
	t.Helper()
	_, rest, begins := strings.Cut(readFile(t, file), beginMark)
	part, _, ends := strings.Cut(rest, endMark)
	require.True(t, begins && ends, file)
	return part
}

func TestResilience(t *testing.T) {
	results := []result{{Date: "2026-01-01T03:04:05Z", Machine: "one core"}, {
		Scenario: "s", Demand: "d", Measured: "m", Date: "2026-01-02T03:04:05Z", Machine: "one core",
		Controls: []control{{Without: "x", Measured: "n"}},
	}}
	t.Run("the_tables_name_what_is_not_as_required", func(t *testing.T) {
		require.Contains(t, fullTable(results), "| s | d | **not as required:** m | *x*: **not as required:** n |")
		require.Contains(t, shortTable(results), "| s | – | – | – | **no**: m |")
	})
	t.Run("the_short_table_leaves_out_what_counts_no_requests", func(t *testing.T) {
		counted := result{Scenario: "s", Met: true, Measured: "7 requests, 0 failed, p99 5 ms"}
		table := shortTable([]result{counted, {Scenario: "o", Met: true, Measured: "m"}})
		require.Contains(t, table, "| s | 7 | 0 | 5 ms | yes |")
		require.NotContains(t, table, "| o |")
	})
	t.Run("the_tables_name_every_date_and_machine", func(t *testing.T) {
		for _, table := range []string{fullTable(results), shortTable(results)} {
			require.Contains(t, table, "\n2026-01-01, one core.\n\n2026-01-02, one core.\n")
		}
	})
	t.Run("the_summary_adds_up_the_phases", func(t *testing.T) {
		for measured, want := range map[string][3]string{
			"10 requests, 0 failed, p99 5 ms": {"10", "0", "5 ms"},
			"going: 10 requests, 0 failed, 3 degraded, 1 refused (POST: Try again. 1), p99 7 ms; 5 requests, 1 failed (dial: i/o timeout 1), p99 6 ms": {"15", "1", "7 ms"},
			"149 calls for 1000 requests: 0.15": {"–", "–", "–"},
			"0 of 252 acknowledged orders lost": {"–", "–", "–"},
		} {
			requests, failed, p99 := summarize(measured)
			require.Equal(t, want, [3]string{requests, failed, p99}, measured)
		}
	})
	t.Run("the_measured_results_have_figures", func(t *testing.T) {
		measured, err := readResults[result](filepath.Join(root, "docs/resilience.json"))
		require.NoError(t, err)
		require.NotEmpty(t, measured)
		require.GreaterOrEqual(t, strings.Count(shortTable(measured), " ms | yes |"), len(measured)/2)
	})
}

func TestSituations(t *testing.T) {
	t.Run("a_situation_is_a_row", func(t *testing.T) {
		table := situationTable([]situation{{"s", "c", "l", "r", "0 of 7", "one core", "2026-01-02"}})
		require.Contains(t, table, "\n| s | c | l | r | 0 of 7 |\n")
		require.Contains(t, table, "\n2026-01-02, one core.\n")
	})
	t.Run("nothing_acknowledged_is_lost_in_any", func(t *testing.T) {
		measured, err := readResults[situation](filepath.Join(root, "docs/postgresql.json"))
		require.NoError(t, err)
		require.NotEmpty(t, measured)
		for _, s := range measured {
			require.Regexp(t, `^0 of [1-9]`, s.Lost, s.Situation)
		}
	})
}

func TestReplacePart(t *testing.T) {
	got, err := replacePart("a\n"+beginMark+"old\n"+endMark+"b\n", "new\n")
	require.NoError(t, err)
	require.Equal(t, "a\n"+beginMark+"new\n"+endMark+"b\n", got)
	_, err = replacePart("a\n"+beginMark, "new\n")
	require.ErrorContains(t, err, "a generated part needs the lines")
}

// TestDocuments checks the files that are written by hand as well.
func TestDocuments(t *testing.T) {
	files, err := filepath.Glob(filepath.Join(root, "docs/*.md"))
	require.NoError(t, err)
	for _, name := range []string{
		"README.md", "CONTRIBUTING.md", "CHANGELOG.md", "SECURITY.md", "findings/README.md",
		"charts/users/README.md", "charts/orders/README.md", "charts/tandem/README.md",
	} {
		files = append(files, filepath.Join(root, name))
	}
	t.Run("links_lead_to_files_and_headings", func(t *testing.T) {
		for _, file := range files {
			for _, link := range regexp.MustCompile(`\]\(([^)\s]+)\)`).FindAllStringSubmatch(readFile(t, file), -1) {
				requireTarget(t, file, link[1])
			}
		}
	})
	t.Run("the_runbook_names_panels_that_exist", func(t *testing.T) {
		dashboards := readFile(t, filepath.Join(root, "charts/service/dashboards/service.json")) +
			readFile(t, filepath.Join(root, "charts/orders/dashboards/calls.json"))
		var titles []string
		for _, title := range regexp.MustCompile(`"title": "(.*)"`).FindAllStringSubmatch(dashboards, -1) {
			titles = append(titles, title[1])
		}
		runbook := readFile(t, filepath.Join(root, "docs/runbook.md"))
		panels := regexp.MustCompile(`\*([A-Z][^*]+)\*`).FindAllStringSubmatch(runbook, -1)
		require.NotEmpty(t, panels)
		for _, panel := range panels {
			require.Contains(t, titles, strings.Join(strings.Fields(panel[1]), " "))
		}
	})
	t.Run("the_README_is_short", func(t *testing.T) {
		require.LessOrEqual(t, strings.Count(readFile(t, filepath.Join(root, "README.md")), "\n"), 150)
	})
	t.Run("the_glossary_has_at_most_30_terms", func(t *testing.T) {
		_, glossary, found := strings.Cut(readFile(t, filepath.Join(root, "CONTRIBUTING.md")), "## Glossary\n")
		require.True(t, found)
		require.LessOrEqual(t, strings.Count(glossary, "\n| "), 2+30, "header and rows")
	})
}

// requireTarget fails if a link in a file leads to a file or to a heading that
// does not exist.
func requireTarget(t *testing.T, file, link string) {
	t.Helper()
	if strings.Contains(link, "://") {
		return
	}
	path, anchor, _ := strings.Cut(link, "#")
	target := file
	if path != "" {
		target = filepath.Join(filepath.Dir(file), path)
	}
	_, err := os.Stat(target)
	require.NoError(t, err, "%s has the link %s", file, link)
	if anchor == "" {
		return
	}
	var anchors []string
	for _, heading := range regexp.MustCompile(`(?m)^#+ (.*)$`).FindAllStringSubmatch(readFile(t, target), -1) {
		words := regexp.MustCompile(`[^a-z0-9 -]`).ReplaceAllString(strings.ToLower(heading[1]), "")
		anchors = append(anchors, strings.ReplaceAll(words, " ", "-"))
	}
	require.Contains(t, anchors, anchor, "%s has the link %s", file, link)
}

func readFile(t *testing.T, name string) string {
	t.Helper()
	text, err := os.ReadFile(name)
	require.NoError(t, err)
	return string(text)
}
