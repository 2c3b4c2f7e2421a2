package charttest

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"go.yaml.in/yaml/v3"

	"tandem/src/charts/generate"
)

// Go modules with the schemas of the kinds that the charts render. They come from
// the Go module proxy.
const (
	kubernetesModule = "k8s.io/kubernetes@v1.37.2"
	oldestKubernetes = "k8s.io/kubernetes@v1.30.14" // of minKubernetesVersion, the last patch release
	gatewayModule    = "sigs.k8s.io/gateway-api@v1.2.1"
	operatorModule   = "github.com/prometheus-operator/prometheus-operator@v0.79.2"
)

func TestHelmLint(t *testing.T) {
	forEachChart(t, func(t *testing.T, c chart) {
		requireLint(t, chartFile(c.Name, ""))
	})
	t.Run(generate.UmbrellaName, func(t *testing.T) { requireLint(t, chartFile(generate.UmbrellaName, "")) })
}

func requireLint(t *testing.T, folder string) {
	t.Helper()
	out, err := exec.Command(findTool(t, "helm"), "lint", "--strict", folder).CombinedOutput()
	require.NoError(t, err, "%s", out)
}

func TestKubernetesSchemas(t *testing.T) {
	kubeconform := findTool(t, "kubeconform")
	validate := func(schemas, folder string) (string, error) {
		out, err := exec.Command(kubeconform, "-strict", "-schema-location",
			schemas+"/{{.Group}}_{{.ResourceKind}}_{{.ResourceAPIVersion}}.json", folder).CombinedOutput()
		return string(out), err
	}
	folder := t.TempDir() // for a single run of kubeconform, which spends most of its time reading schemas
	forEachValueSet(t, func(t *testing.T, _ chart, all objects) {
		writeYAML(t, filepath.Join(folder, strings.ReplaceAll(t.Name(), "/", " ")+".yaml"), all...)
	})
	for name, u := range umbrellas {
		writeYAML(t, filepath.Join(folder, name+".yaml"), u.render(t)...)
	}
	require.GreaterOrEqual(t, len(typicalValues), 60)
	forEachChart(t, func(t *testing.T, c chart) {
		for i, values := range typicalValues {
			all := render(t, c, values)
			require.NotEmpty(t, all, values)
			writeYAML(t, filepath.Join(folder, fmt.Sprintf("%s %d.yaml", c.Name, i)), all...)
		}
	})
	var schemas string
	for _, module := range []string{oldestKubernetes, kubernetesModule} {
		schemas = writeSchemas(t, module)
		out, err := validate(schemas, folder)
		require.NoError(t, err, "%s: %s", module, out)
	}

	misspelt := render(t, usersChart, "").find(t, "Deployment")
	asMap(misspelt["spec"])["repicas"] = 1
	folder = t.TempDir()
	writeYAML(t, filepath.Join(folder, "misspelt.yaml"), misspelt)
	out, err := validate(schemas, folder)
	require.Error(t, err)
	require.Contains(t, out, "repicas")
}

// Two findings are ignored: the pull policy, because the image of a version never
// changes, and the missing CPU limit, because throttling adds latency.
func TestKubeScore(t *testing.T) {
	forEachValueSet(t, func(t *testing.T, _ chart, all objects) {
		file := filepath.Join(t.TempDir(), "objects.yaml")
		writeYAML(t, file, all...)
		out, err := exec.Command(findTool(t, "kube-score"), "score", "--output-format", "ci",
			"--ignore-test", "container-image-pull-policy", "--ignore-container-cpu-limit", file).CombinedOutput()
		require.NoError(t, err, "%s", out)
	})
}

// writeSchemas writes a JSON schema for each kind and returns their folder.
// kubernetes is the module of a version of Kubernetes.
func writeSchemas(t *testing.T, kubernetes string) string {
	t.Helper()
	folder := t.TempDir()
	modules := downloadModules(t, kubernetes, gatewayModule, operatorModule)

	var api struct {
		Definitions map[string]map[string]any `json:"definitions"`
	}
	text, err := os.ReadFile(filepath.Join(modules[0], "api/openapi-spec/swagger.json"))
	require.NoError(t, err)
	require.NoError(t, json.Unmarshal(text, &api))
	for _, definition := range api.Definitions {
		forbidUnknownFields(definition)
	}
	// The specification declares these types as strings, but numbers are valid too.
	stringOrNumber := map[string]any{"type": []string{"string", "number"}}
	api.Definitions["io.k8s.apimachinery.pkg.util.intstr.IntOrString"] = stringOrNumber
	api.Definitions["io.k8s.apimachinery.pkg.api.resource.Quantity"] = stringOrNumber
	writeJSON(t, filepath.Join(folder, "definitions.json"), api)
	for name, definition := range api.Definitions {
		kinds, _ := definition["x-kubernetes-group-version-kind"].([]any)
		for _, k := range kinds {
			kind := asObject(k)
			writeJSON(t, schemaFile(folder, kind["group"], kind["kind"], kind["version"]),
				map[string]any{"$ref": "definitions.json#/definitions/" + name})
		}
	}

	for _, file := range []string{
		filepath.Join(modules[1], "config/crd/standard/gateway.networking.k8s.io_httproutes.yaml"),
		filepath.Join(modules[2], "example/prometheus-operator-crd/monitoring.coreos.com_servicemonitors.yaml"),
		filepath.Join(modules[2], "example/prometheus-operator-crd/monitoring.coreos.com_prometheusrules.yaml"),
	} {
		text, err := os.ReadFile(file)
		require.NoError(t, err)
		var crd map[string]any
		require.NoError(t, yaml.Unmarshal(text, &crd))
		versions := object(crd).at("spec.versions").([]any)
		for _, v := range versions {
			version := asObject(v)
			schema := asMap(version.at("schema.openAPIV3Schema"))
			forbidUnknownFields(schema)
			writeJSON(t, schemaFile(folder, object(crd).at("spec.group"), object(crd).at("spec.names.kind"), version["name"]), schema)
		}
	}
	return folder
}

// downloadModules returns the folders of Go modules.
func downloadModules(t *testing.T, modules ...string) []string {
	t.Helper()
	out, err := exec.Command("go", append([]string{"mod", "download", "-json"}, modules...)...).Output()
	if err != nil && os.Getenv("CI") != "true" {
		t.Skipf("the schemas cannot be downloaded: %s", out)
	}
	require.NoError(t, err, "%s", out)
	var folders []string
	decoder := json.NewDecoder(bytes.NewReader(out))
	for decoder.More() {
		var module struct{ Dir string }
		require.NoError(t, decoder.Decode(&module))
		folders = append(folders, module.Dir)
	}
	return folders
}

// forbidUnknownFields makes a schema reject the fields that it does not name, at
// any depth.
func forbidUnknownFields(schema map[string]any) {
	properties := asMap(schema["properties"])
	if len(properties) > 0 && schema["additionalProperties"] == nil {
		schema["additionalProperties"] = false
	}
	for _, property := range properties {
		forbidUnknownFields(asMap(property))
	}
	for _, key := range []string{"items", "additionalProperties"} {
		if inner := asMap(schema[key]); inner != nil {
			forbidUnknownFields(inner)
		}
	}
}

// schemaFile returns the path at which kubeconform looks for the schema of a kind.
func schemaFile(folder string, group, kind, version any) string {
	if group == "" {
		group = version // kubeconform takes the version as the group of the core API
	}
	return filepath.Join(folder, text(group)+"_"+strings.ToLower(text(kind))+"_"+text(version)+".json")
}

func writeJSON(t *testing.T, path string, v any) {
	t.Helper()
	text, err := json.Marshal(v)
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(path, text, 0o600))
}

func writeYAML(t *testing.T, path string, all ...object) {
	t.Helper()
	var out bytes.Buffer
	encoder := yaml.NewEncoder(&out)
	for _, o := range all {
		require.NoError(t, encoder.Encode(map[string]any(o)))
	}
	require.NoError(t, encoder.Close())
	require.NoError(t, os.WriteFile(path, out.Bytes(), 0o600))
}
