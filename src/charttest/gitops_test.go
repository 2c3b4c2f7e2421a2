package charttest

import (
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"go.yaml.in/yaml/v3"
)

func TestGitOps(t *testing.T) {
	t.Run("renders the same bytes each time", func(t *testing.T) {
		forEachChart(t, func(t *testing.T, c chart) {
			first, err := helmTemplate(t, c, c.Name, everyFeature)
			require.NoError(t, err)
			second, err := helmTemplate(t, c, c.Name, everyFeature)
			require.NoError(t, err)
			require.Equal(t, first, second)
		})
	})

	t.Run("has the values of the examples", func(t *testing.T) {
		examples := map[string]string{"Application": "spec.source.helm.valuesObject", "HelmRelease": "spec.values"}
		for kind, path := range examples {
			example := exampleOf(t, "../../docs/kubernetes.md", kind)
			values, err := yaml.Marshal(example.at(path))
			require.NoError(t, err)
			require.NotNil(t, example.at(path))
			manifest, err := helmTemplate(t, ordersChart, text(example.at("metadata.name")), string(values))
			require.NoError(t, err)
			all := decode(t, manifest)
			require.NotContains(t, all.find(t, "Deployment")["spec"], "replicas", "the autoscaler would be overruled")
			require.NotNil(t, all.find(t, "HorizontalPodAutoscaler"))
			hooks := asMap(all.find(t, "Pod").at("metadata.annotations"))
			require.Equal(t, "test", hooks["helm.sh/hook"])
			require.Equal(t, kind == "Application", hooks["argocd.argoproj.io/hook"] == "PostSync")
		}
	})

	// Argo CD takes Helm's annotation for Delete=false, and would still prune the claim.
	t.Run("keeps the claim", func(t *testing.T) {
		forEachChart(t, func(t *testing.T, c chart) {
			annotations := asMap(render(t, c, "").find(t, "PersistentVolumeClaim").at("metadata.annotations"))
			require.Equal(t, "Prune=false,Delete=false", annotations["argocd.argoproj.io/sync-options"])
			require.Equal(t, "keep", annotations["helm.sh/resource-policy"])
		})
	})

	t.Run("annotates only the test pod as a hook", func(t *testing.T) {
		forEachValueSet(t, func(t *testing.T, _ chart, all objects) {
			for _, o := range all {
				_, isHook := asMap(o.at("metadata.annotations"))["helm.sh/hook"]
				require.Equal(t, o["kind"] == "Pod", isHook, o.id())
			}
		})
	})
}

// exampleOf returns the object of a kind from the YAML blocks of a document.
func exampleOf(t *testing.T, file, kind string) object {
	t.Helper()
	text, err := os.ReadFile(file)
	require.NoError(t, err)
	for _, block := range regexp.MustCompile("(?s)```yaml\n(.*?)```").FindAllStringSubmatch(string(text), -1) {
		for _, o := range decode(t, block[1]) {
			if o["kind"] == kind {
				return o
			}
		}
	}
	t.Fatalf("%s has no example of the kind %s", file, kind)
	return nil
}

func TestPrometheusExample(t *testing.T) {
	t.Run("is a valid configuration with classic histograms", func(t *testing.T) {
		text, err := os.ReadFile("../../docs/observability.md")
		require.NoError(t, err)
		block := regexp.MustCompile("(?s)```yaml\n(global:.*?)```").FindStringSubmatch(string(text))
		require.NotEmpty(t, block)
		var config struct {
			Global struct {
				Native  bool `yaml:"scrape_native_histograms"`
				Classic bool `yaml:"always_scrape_classic_histograms"`
			}
		}
		require.NoError(t, yaml.Unmarshal([]byte(block[1]), &config))
		require.True(t, config.Global.Native && config.Global.Classic)
		file := filepath.Join(t.TempDir(), "prometheus.yaml")
		require.NoError(t, os.WriteFile(file, []byte(block[1]), 0o600))
		promtool(t, "check", "config", "--syntax-only", file)
	})
}

func TestDocuments(t *testing.T) {
	// With --reuse-values an upgrade lacks the defaults of new values.
	t.Run("do not recommend --reuse-values", func(t *testing.T) {
		reuse := regexp.MustCompile(`--reuse-values`)
		require.NoError(t, filepath.WalkDir("../..", func(path string, entry fs.DirEntry, err error) error {
			if err != nil {
				return err
			}
			if entry.IsDir() && (entry.Name() == ".git" || entry.Name() == "bin" || entry.Name() == "src") {
				return fs.SkipDir
			}
			name := entry.Name()
			if entry.IsDir() || !strings.HasSuffix(name, ".md") && !strings.HasSuffix(name, ".tpl") && name != "Makefile" && name != "Tiltfile" {
				return nil
			}
			text, err := os.ReadFile(path)
			require.NoError(t, err)
			require.False(t, reuse.Match(text), "%s recommends --reuse-values", path)
			return nil
		}))
	})
}
