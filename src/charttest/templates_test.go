package charttest

import (
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestTemplates(t *testing.T) {
	// Helm writes the template of each object into the manifest as a comment.
	t.Run("render one object per file", func(t *testing.T) {
		source := regexp.MustCompile(`(?m)^# Source: \w+/(templates/.+)$`)
		forEachChart(t, func(t *testing.T, c chart) {
			var used []string
			for _, values := range valueSets {
				manifest, err := helmTemplate(t, c, c.Name, values)
				require.NoError(t, err)
				var files []string
				for _, match := range source.FindAllStringSubmatch(manifest, -1) {
					require.NotContains(t, files, match[1])
					files = append(files, match[1])
				}
				require.Len(t, decode(t, manifest), len(files))
				used = append(used, files...)
			}
			require.Contains(t, used, "templates/deployment.yaml")
			slices.Sort(used)
			elsewhere := []string{"templates/validate.yaml"}
			if c.Name == "orders" {
				elsewhere = append(elsewhere, "templates/service-users.yaml") // in an umbrella chart
			}
			require.ElementsMatch(t, templateFiles(t, c), append(slices.Compact(used), elsewhere...))
		})
	})

	t.Run("can be rendered alone", func(t *testing.T) {
		forEachChart(t, func(t *testing.T, c chart) {
			manifest, err := helmTemplate(t, c, c.Name, "", "--show-only", "templates/deployment.yaml")
			require.NoError(t, err)
			require.Equal(t, []string{"Deployment"}, kinds(decode(t, manifest)))
			_, err = helmTemplate(t, c, c.Name, "{replicaCount: 2}", "--show-only", "templates/deployment.yaml")
			require.ErrorContains(t, err, "replicaCount is 2, but")
		})
	})
}

// templateFiles returns the names of a chart's templates of objects, such as
// "templates/service.yaml".
func templateFiles(t *testing.T, c chart) []string {
	t.Helper()
	var files []string
	for _, pattern := range []string{"templates/*.yaml", "templates/tests/*.yaml"} {
		paths, err := filepath.Glob(chartFile(c.Name, pattern))
		require.NoError(t, err)
		for _, path := range paths {
			name, err := filepath.Rel(chartFile(c.Name, ""), path)
			require.NoError(t, err)
			files = append(files, name)
		}
	}
	return files
}

// copyChart copies a chart.
func copyChart(t *testing.T, c chart, to string) {
	t.Helper()
	require.NoError(t, os.CopyFS(to, os.DirFS(chartFile(c.Name, ""))))
}
