package charttest

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"sigs.k8s.io/yaml"
)

// named are setups in which whatever the user can name is called NAME.
var named = []string{
	`{fullnameOverride: "NAME", persistence: {existingClaim: "NAME"}}`,
	`{fullnameOverride: "NAME", persistence: {storageClass: "NAME", annotations: {a: "NAME"}},
		image: {repository: "NAME", tag: "NAME"}, imagePullSecrets: [{name: "NAME"}], serviceAccount: {name: "NAME", annotations: {a: "NAME"}},
		nodeSelector: {a: "NAME"}, priorityClassName: "NAME", commonLabels: {a: "NAME"}, podLabels: {b: "NAME"}, podAnnotations: {a: "NAME"},
		extraEnv: [{name: A, value: "NAME"}]}`,
	`{fullnameOverride: "NAME", database: {existingSecret: "NAME", secretKey: "NAME"}, replicaCount: 2,
		ingress: {enabled: true, className: "NAME", hosts: ["NAME"], tls: [{secretName: "NAME", hosts: ["NAME"]}]},
		httpRoute: {enabled: true, parentRefs: [{name: "NAME", namespace: "NAME"}], hostnames: ["NAME"]},
		serviceMonitor: {enabled: true, labels: {a: "NAME"}}, dashboards: {enabled: true},
		prometheusRule: {enabled: true, labels: {a: "NAME"}, runbookURL: "NAME"}}`,
	`{fullnameOverride: "NAME", database: {existingSecret: db}, autoscaling: {enabled: true}, prometheusRule: {enabled: true, kind: ConfigMap}}`,
}

// YAML as Kubernetes reads it takes y and on for true, and 123 for a number. A
// name that is one of these has to arrive as a string all the same, wherever
// another name does.
func TestNamesThatYAMLTakesForSomethingElseStayStrings(t *testing.T) {
	for _, c := range bothCharts() {
		setups := slices.Clone(named)
		if c.Name == "orders" {
			setups = append(setups, `{fullnameOverride: "NAME", users: {service: "NAME", namespace: "NAME"}}`)
		}
		for _, values := range setups {
			want := typesOf(t, c, "name", "name", values)
			for _, release := range []string{"y", "123"} {
				for _, name := range []string{"y", "on", "null"} {
					require.Equal(t, want, typesOf(t, c, release, name, values), "a release %s with %s", release, name)
				}
				if !strings.Contains(values, "service:") {
					number := strings.Replace(values, `fullnameOverride: "NAME"`, `fullnameOverride: "y"`, 1)
					require.Equal(t, want, typesOf(t, c, release, "1234", number), "a release %s with 1234", release)
				}
			}
		}
	}
}

func TestANameThatNoServiceCanHaveIsRefused(t *testing.T) {
	for _, c := range bothCharts() {
		for _, release := range []string{"123", "my.shop", strings.Repeat("a", 50)} {
			_, err := helmTemplate(t, c, release, "")
			require.ErrorContains(t, err, fmt.Sprintf("the objects would be named %q, which a Service cannot", release+"-"+c.Name))
		}
	}
}

// typesOf tells the type of everything in a release's objects, by its path, in
// a namespace that is called NAME like the rest.
func typesOf(t *testing.T, c chart, release, name, values string) map[string]string {
	t.Helper()
	manifest, err := helmTemplate(t, c, release, strings.ReplaceAll(values, "NAME", name), "--namespace", name)
	require.NoError(t, err)
	types := map[string]string{}
	for i, document := range strings.Split(manifest, "\n---\n") {
		var o any
		require.NoError(t, yaml.Unmarshal([]byte(document), &o))
		noteTypes(types, fmt.Sprint(i), o)
		// The rules of a Prometheus without the operator are YAML in YAML.
		if rules, ok := asMap(asMap(o)["data"])["rules.yaml"].(string); ok {
			var below any
			require.NoError(t, yaml.Unmarshal([]byte(rules), &below))
			noteTypes(types, fmt.Sprint(i)+" rules", below)
		}
	}
	return types
}

func noteTypes(types map[string]string, path string, v any) {
	switch v := v.(type) {
	case map[string]any:
		for key, member := range v {
			if strings.HasSuffix(key, ".json") {
				key = ".json" // a dashboard, whose file has the release's name
			}
			noteTypes(types, path+"."+key, member)
		}
	case []any:
		for i, item := range v {
			noteTypes(types, fmt.Sprint(path, ".", i), item)
		}
	default:
		types[path] = fmt.Sprintf("%T", v)
	}
}
