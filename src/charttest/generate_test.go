package charttest

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"tandem/src/charts/generate"
)

// Nobody edits a generated file: the next run of the generator would undo it.
func TestGeneratedFiles(t *testing.T) {
	t.Run("are current", func(t *testing.T) { require.Empty(t, differences(t, chartsRoot)) })

	t.Run("are not current after an edit", func(t *testing.T) {
		for edited, want := range map[string]string{
			"users/templates/_deployment.tpl":           "users/templates/_deployment.tpl is edited or outdated: run `make charts`",
			"orders/dashboards/service.json":            "orders/dashboards/service.json is edited or outdated: run `make charts`",
			"tandem/charts/orders/templates/_chart.tpl": "tandem/charts/orders/templates/_chart.tpl is edited or outdated: run `make charts`",
			"users/values.yaml":                         "users/values.yaml is edited or outdated: run `make charts`",
			"service/templates/_service.tpl":            "orders/templates/_service.tpl is edited or outdated: run `make charts`",
		} {
			root := copyCharts(t)
			edit(t, filepath.Join(root, edited), func(text string) string { return text + "\n" })
			require.Contains(t, differences(t, root), want)
		}
	})

	t.Run("are not current if the library no longer has one", func(t *testing.T) {
		root := copyCharts(t)
		require.NoError(t, os.Remove(filepath.Join(root, "service/templates/httproute.yaml")))
		require.Contains(t, differences(t, root), "users/templates/httproute.yaml is no longer generated: run `make charts`")
		require.NoError(t, generate.Write(root))
		require.Empty(t, differences(t, root))
		require.NoFileExists(t, filepath.Join(root, "tandem/charts/users/templates/httproute.yaml"))
	})
}

// differences says for each generated file below a folder of charts why it is not
// what `make charts` writes.
func differences(t *testing.T, root string) []string {
	t.Helper()
	umbrella, err := generate.Umbrella(root)
	require.NoError(t, err)
	found := differencesOf(t, root, generate.UmbrellaName, umbrella)
	for _, c := range generate.Charts() {
		files, err := generate.Files(root, c)
		require.NoError(t, err)
		found = append(found, differencesOf(t, root, c.Name, files)...)
	}
	return found
}

func differencesOf(t *testing.T, root, chart string, files map[string]string) []string {
	t.Helper()
	var found []string
	for name, want := range files {
		got, err := os.ReadFile(filepath.Join(root, chart, name))
		if err != nil || string(got) != want {
			found = append(found, chart+"/"+name+" is edited or outdated: run `make charts`")
		}
	}
	stale, err := generate.Stale(filepath.Join(root, chart), files)
	require.NoError(t, err)
	for _, name := range stale {
		found = append(found, chart+"/"+name+" is no longer generated: run `make charts`")
	}
	return found
}

// copyCharts returns a folder with a copy of all charts.
func copyCharts(t *testing.T) string {
	t.Helper()
	root := filepath.Join(t.TempDir(), "charts")
	require.NoError(t, os.CopyFS(root, os.DirFS(chartsRoot)))
	return root
}

// edit replaces the text of a file.
func edit(t *testing.T, path string, change func(text string) string) {
	t.Helper()
	text, err := os.ReadFile(path)
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(path, []byte(change(string(text))), 0o600))
}
