package charttest

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"sigs.k8s.io/yaml"
)

// nameValueSets are values in which every name that the user can choose is NAME.
var nameValueSets = []string{
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
	`{fullnameOverride: "NAME", database: {existingSecret: db}, autoscaling: {enabled: true},
		prometheusRule: {enabled: true, kind: ConfigMap}}`,
}

func TestQuoting(t *testing.T) {
	// The YAML parser of Kubernetes reads y and on as true, and 123 as a number. The
	// templates must quote names, so that such a name is a string too.
	t.Run("keeps names that YAML reads as other types", func(t *testing.T) {
		forEachChart(t, func(t *testing.T, c chart) {
			valueSets := slices.Clone(nameValueSets)
			if c.Name == "orders" {
				valueSets = append(valueSets, `{fullnameOverride: "NAME", users: {service: "NAME", namespace: "NAME"}}`)
			}
			for _, values := range valueSets {
				want := valueTypes(t, c, "name", "name", values)
				for _, release := range []string{"y", "123"} {
					for _, name := range []string{"y", "on", "null"} {
						require.Equal(t, want, valueTypes(t, c, release, name, values), "a release %s with %s", release, name)
					}
					if !strings.Contains(values, "service:") {
						number := strings.Replace(values, `fullnameOverride: "NAME"`, `fullnameOverride: "y"`, 1)
						require.Equal(t, want, valueTypes(t, c, release, "1234", number), "a release %s with 1234", release)
					}
				}
			}
		})
	})
}

func TestServiceNames(t *testing.T) {
	t.Run("rejects names that are invalid for a Service", func(t *testing.T) {
		forEachChart(t, func(t *testing.T, c chart) {
			for _, release := range []string{"123", "my.shop", strings.Repeat("a", 50)} {
				_, err := helmTemplate(t, c, release, "")
				require.ErrorContains(t, err, fmt.Sprintf("the objects would be named %q, which is not a valid name for a Service", release+"-"+c.Name))
			}
		})
	})
}

// valueTypes returns the type of every scalar in the objects of a release by its
// path. name replaces NAME in the values and is the namespace too.
func valueTypes(t *testing.T, c chart, release, name, values string) map[string]string {
	t.Helper()
	manifest, err := helmTemplate(t, c, release, strings.ReplaceAll(values, "NAME", name), "--namespace", name)
	require.NoError(t, err)
	types := map[string]string{}
	for i, document := range strings.Split(manifest, "\n---\n") {
		var o any
		require.NoError(t, yaml.Unmarshal([]byte(document), &o))
		collectTypes(types, fmt.Sprint(i), o)
		// A ConfigMap with rules contains a YAML document as a string.
		if rules, ok := asMap(asMap(o)["data"])["rules.yaml"].(string); ok {
			var inner any
			require.NoError(t, yaml.Unmarshal([]byte(rules), &inner))
			collectTypes(types, fmt.Sprint(i)+" rules", inner)
		}
	}
	return types
}

// collectTypes adds the types of v and of everything inside it.
func collectTypes(types map[string]string, path string, v any) {
	switch v := v.(type) {
	case map[string]any:
		for key, member := range v {
			if strings.HasSuffix(key, ".json") {
				key = ".json" // the file name of a dashboard contains the release
			}
			collectTypes(types, path+"."+key, member)
		}
	case []any:
		for i, item := range v {
			collectTypes(types, fmt.Sprint(path, ".", i), item)
		}
	default:
		types[path] = fmt.Sprintf("%T", v)
	}
}
