package charttest

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"

	"tandem/src/charts/generate"
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
			require.ElementsMatch(t, templateFiles(t, c), append(slices.Compact(used), "templates/validate.yaml"))
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

	// Named templates are global, so those of one chart must not replace those of the other.
	t.Run("render the same in an umbrella chart", func(t *testing.T) {
		const values = "{prometheusRule: {enabled: true}, dashboards: {enabled: true}}"
		folder := t.TempDir()
		require.NoError(t, os.WriteFile(filepath.Join(folder, "Chart.yaml"), []byte("{apiVersion: v2, name: umbrella, version: 0.1.0}"), 0o600))
		require.NoError(t, os.Mkdir(filepath.Join(folder, "charts"), 0o700))
		allValues, want := "", objects{}
		for _, c := range generate.Charts() {
			copyChart(t, c, filepath.Join(folder, "charts", c.Name))
			allValues += c.Name + ": " + values + "\n"
			want = append(want, renderRelease(t, c, "shop", values)...)
		}
		manifest, err := helmTemplateFolder(t, folder, "shop", allValues)
		require.NoError(t, err)
		require.ElementsMatch(t, want, decode(t, manifest))
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

// copyChart copies a chart without symbolic links.
func copyChart(t *testing.T, c chart, to string) {
	t.Helper()
	out, err := exec.Command("cp", "--recursive", "--dereference", chartFile(c.Name, ""), to).CombinedOutput()
	require.NoError(t, err, "%s", out)
}
