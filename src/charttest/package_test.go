package charttest

import (
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
	"go.yaml.in/yaml/v3"
)

// Both charts carry the library by a symbolic link, so a clean clone installs
// with no step before it, and a package is whole by itself.
func TestAPackageNeedsNothingElse(t *testing.T) {
	for _, c := range bothCharts() {
		folder := t.TempDir()
		out, err := exec.Command(tool(t, "helm"), "package", "--destination", folder, filepath.Join("../../charts", c.Name)).CombinedOutput()
		require.NoError(t, err, "%s", out)
		packed := filepath.Join(folder, c.Name+"-"+read(t, c.Name).Version+".tgz")
		out, err = exec.Command(tool(t, "helm"), "template", packed, "--generate-name", "--kube-version", lowestKubernetes).CombinedOutput()
		require.NoError(t, err, "%s", out)
		files, err := exec.Command("tar", "--list", "--file", packed).Output()
		require.NoError(t, err)
		require.Contains(t, string(files), c.Name+"/charts/service/templates/_deployment.tpl")
	}
}

func TestVersionsAgree(t *testing.T) {
	library := read(t, "service")
	require.Equal(t, "library", library.Type)
	for _, c := range bothCharts() {
		about := read(t, c.Name)
		require.Equal(t, []dependency{{Name: "service", Version: library.Version, Repository: "file://../service"}}, about.Dependencies)
		require.Equal(t, read(t, "users").AppVersion, about.AppVersion)
		require.Equal(t, ">="+lowestKubernetes+"-0", about.KubeVersion)
	}
}

// metadata is what Chart.yaml says.
type metadata struct {
	Type, Version string
	AppVersion    string `yaml:"appVersion"`
	KubeVersion   string `yaml:"kubeVersion"`
	Dependencies  []dependency
}

type dependency struct{ Name, Version, Repository string }

func read(t *testing.T, chart string) metadata {
	t.Helper()
	text, err := os.ReadFile(filepath.Join("../../charts", chart, "Chart.yaml"))
	require.NoError(t, err)
	var about metadata
	require.NoError(t, yaml.Unmarshal(text, &about))
	return about
}
