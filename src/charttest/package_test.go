package charttest

import (
	"os"
	"testing"

	"github.com/stretchr/testify/require"
	"go.yaml.in/yaml/v3"

	"tandem/src/charts/generate"
)

func TestChartYAML(t *testing.T) {
	t.Run("has matching versions", func(t *testing.T) {
		umbrella := readChartYAML(t, generate.UmbrellaName)
		require.Equal(t, ">="+minKubernetesVersion+"-0", umbrella.KubeVersion)
		require.Equal(t, []dependency{usersDependency, ordersDependency}, umbrella.Dependencies)
		forEachChart(t, func(t *testing.T, c chart) {
			meta := readChartYAML(t, c.Name)
			require.Empty(t, meta.Dependencies)
			require.Equal(t, umbrella.Version, meta.Version)
			require.Equal(t, umbrella.AppVersion, meta.AppVersion)
			require.Equal(t, umbrella.KubeVersion, meta.KubeVersion)
		})
	})

	// Artifact Hub scans the images that an annotation names.
	t.Run("names the images that the chart uses", func(t *testing.T) {
		requireImages := func(name string, pods []object) {
			used, listed := map[string]bool{}, map[string]bool{}
			for _, pod := range pods {
				used[text(pod.at("containers.0.image"))] = true
			}
			var images []struct{ Image string }
			require.NoError(t, yaml.Unmarshal([]byte(readChartYAML(t, name).Annotations["artifacthub.io/images"]), &images))
			for _, i := range images {
				listed[i.Image] = true
			}
			require.Equal(t, used, listed, name)
		}
		forEachChart(t, func(_ *testing.T, c chart) { requireImages(c.Name, render(t, c, "").podSpecs()) })
		requireImages(generate.UmbrellaName, umbrellas["plain"].render(t).podSpecs())
	})
}

// chartYAML holds the fields of a Chart.yaml that the tests check.
type chartYAML struct {
	Version      string
	AppVersion   string `yaml:"appVersion"`
	KubeVersion  string `yaml:"kubeVersion"`
	Annotations  map[string]string
	Dependencies []dependency
}

// dependency is an item of the dependencies in a Chart.yaml.
type dependency struct {
	Name       string `json:"name"`
	Version    string `json:"version"`
	Repository string `json:"repository,omitempty"`
	Alias      string `json:"alias,omitempty"`
	Condition  string `json:"condition,omitempty"`
}

func readChartYAML(t *testing.T, chart string) chartYAML {
	t.Helper()
	text, err := os.ReadFile(chartFile(chart, "Chart.yaml"))
	require.NoError(t, err)
	var meta chartYAML
	require.NoError(t, yaml.Unmarshal(text, &meta))
	return meta
}
