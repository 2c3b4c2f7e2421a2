package charttest

import (
	"bytes"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"go.yaml.in/yaml/v3"
)

// Go modules that contain the schemas of the kinds that the charts render, so
// that the check needs the module proxy alone.
const (
	kubernetesModule = "k8s.io/kubernetes@v1.37.2"
	gatewayModule    = "sigs.k8s.io/gateway-api@v1.2.1"
	operatorModule   = "github.com/prometheus-operator/prometheus-operator@v0.79.2"
)

func TestHelmLintHasNoComplaint(t *testing.T) {
	for _, c := range bothCharts() {
		out, err := exec.Command(tool(t, "helm"), "lint", "--strict", filepath.Join("../../charts", c.Name)).CombinedOutput()
		require.NoError(t, err, "%s", out)
	}
}

func TestEveryObjectConformsToItsSchema(t *testing.T) {
	kubeconform := tool(t, "kubeconform")
	schemas := writeSchemas(t)
	check := func(folder string) (string, error) {
		out, err := exec.Command(kubeconform, "-strict", "-schema-location",
			schemas+"/{{.Group}}_{{.ResourceKind}}_{{.ResourceAPIVersion}}.json", folder).CombinedOutput()
		return string(out), err
	}
	folder := t.TempDir() // one call for all: reading the schemas is what takes time
	forEverySetup(t, func(t *testing.T, _ chart, all objects) {
		writeYAML(t, filepath.Join(folder, strings.ReplaceAll(t.Name(), "/", " ")+".yaml"), all...)
	})
	out, err := check(folder)
	require.NoError(t, err, out)

	misspelt := render(t, usersChart, "").one(t, "Deployment")
	asMap(misspelt["spec"])["repicas"] = 1
	folder = t.TempDir()
	writeYAML(t, filepath.Join(folder, "misspelt.yaml"), misspelt)
	out, err = check(folder)
	require.Error(t, err)
	require.Contains(t, out, "repicas")
}

// Two findings are accepted: the pull policy, because a version's image does
// not change under its name; and the missing CPU limit, because throttling
// would cost latency.
func TestKubeScoreHasNoCriticalFinding(t *testing.T) {
	forEverySetup(t, func(t *testing.T, _ chart, all objects) {
		file := filepath.Join(t.TempDir(), "objects.yaml")
		writeYAML(t, file, all...)
		out, err := exec.Command(tool(t, "kube-score"), "score", "--output-format", "ci",
			"--ignore-test", "container-image-pull-policy", "--ignore-container-cpu-limit", file).CombinedOutput()
		require.NoError(t, err, "%s", out)
	})
}

// writeSchemas writes a JSON schema for each kind into a folder and returns it.
func writeSchemas(t *testing.T) string {
	t.Helper()
	folder := t.TempDir()
	modules := download(t, kubernetesModule, gatewayModule, operatorModule)

	var api struct {
		Definitions map[string]map[string]any `json:"definitions"`
	}
	text, err := os.ReadFile(filepath.Join(modules[0], "api/openapi-spec/swagger.json"))
	require.NoError(t, err)
	require.NoError(t, json.Unmarshal(text, &api))
	for _, definition := range api.Definitions {
		closeSchema(definition)
	}
	// What may also be a number is called a string there.
	either := map[string]any{"type": []string{"string", "number"}}
	api.Definitions["io.k8s.apimachinery.pkg.util.intstr.IntOrString"] = either
	api.Definitions["io.k8s.apimachinery.pkg.api.resource.Quantity"] = either
	writeJSON(t, filepath.Join(folder, "definitions.json"), api)
	for name, definition := range api.Definitions {
		kinds, _ := definition["x-kubernetes-group-version-kind"].([]any)
		for _, k := range kinds {
			kind := asObject(k)
			writeJSON(t, schemaFile(folder, kind["group"], kind["kind"], kind["version"]), map[string]any{"$ref": "definitions.json#/definitions/" + name})
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
			closeSchema(schema)
			writeJSON(t, schemaFile(folder, object(crd).at("spec.group"), object(crd).at("spec.names.kind"), version["name"]), schema)
		}
	}
	return folder
}

// download returns the folders of Go modules.
func download(t *testing.T, modules ...string) []string {
	t.Helper()
	out, err := exec.Command("go", append([]string{"mod", "download", "-json"}, modules...)...).Output()
	if err != nil && os.Getenv("CI") != "true" {
		t.Skipf("schemas cannot be had: %s", out)
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

// closeSchema refuses members that a schema does not name, at any depth.
func closeSchema(schema map[string]any) {
	properties := asMap(schema["properties"])
	if len(properties) > 0 && schema["additionalProperties"] == nil {
		schema["additionalProperties"] = false
	}
	for _, property := range properties {
		closeSchema(asMap(property))
	}
	for _, key := range []string{"items", "additionalProperties"} {
		if below := asMap(schema[key]); below != nil {
			closeSchema(below)
		}
	}
}

func schemaFile(folder string, group, kind, version any) string {
	if group == "" {
		group = version // as kubeconform has it: what stands before the slash, if there is one
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
