package charttest

import (
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
	"go.yaml.in/yaml/v3"
)

func TestPackage(t *testing.T) {
	// Both charts contain the library chart as a symbolic link, so `helm install` works
	// in a clean clone without preparation, and a package contains the library.
	t.Run("is self-contained", func(t *testing.T) {
		forEachChart(t, func(t *testing.T, c chart) {
			folder := t.TempDir()
			out, err := exec.Command(findTool(t, "helm"), "package", "--destination", folder, chartFile(c.Name, "")).CombinedOutput()
			require.NoError(t, err, "%s", out)
			archive := filepath.Join(folder, c.Name+"-"+readChartYAML(t, c.Name).Version+".tgz")
			_, err = helmTemplateFolder(t, archive, c.Name, "")
			require.NoError(t, err)
			files, err := exec.Command("tar", "--list", "--file", archive).Output()
			require.NoError(t, err)
			require.Contains(t, string(files), c.Name+"/charts/service/templates/_deployment.tpl")
		})
	})

	t.Run("has matching versions", func(t *testing.T) {
		library := readChartYAML(t, "service")
		require.Equal(t, "library", library.Type)
		forEachChart(t, func(t *testing.T, c chart) {
			meta := readChartYAML(t, c.Name)
			require.Equal(t, []dependency{{Name: "service", Version: library.Version, Repository: "file://../service"}}, meta.Dependencies)
			require.Equal(t, readChartYAML(t, "users").AppVersion, meta.AppVersion)
			require.Equal(t, ">="+minKubernetesVersion+"-0", meta.KubeVersion)
		})
	})
}

// chartYAML holds the fields of a Chart.yaml that the tests check.
type chartYAML struct {
	Type, Version string
	AppVersion    string `yaml:"appVersion"`
	KubeVersion   string `yaml:"kubeVersion"`
	Dependencies  []dependency
}

type dependency struct{ Name, Version, Repository string }

func readChartYAML(t *testing.T, chart string) chartYAML {
	t.Helper()
	text, err := os.ReadFile(chartFile(chart, "Chart.yaml"))
	require.NoError(t, err)
	var meta chartYAML
	require.NoError(t, yaml.Unmarshal(text, &meta))
	return meta
}
