package charttest

import (
	"encoding/json"
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.yaml.in/yaml/v3"

	"tandem/src/charts/generate"
)

// TestValues changes every value in turn. A value without effect is missing in the
// templates or misspelt there.
func TestValues(t *testing.T) {
	const (
		allEnabled = `{ingress: {enabled: true}, httpRoute: {enabled: true, parentRefs: [{name: gateway}]},
			serviceMonitor: {enabled: true}, dashboards: {enabled: true}, prometheusRule: {enabled: true},
			telemetry: {otlpEndpoint: "http://collector:4318"}}`
		replicated = `{database: {existingSecret: db}, replicaCount: 2}`
		scaled     = `{database: {existingSecret: db}, autoscaling: {enabled: true}}`
	)
	baseValues := map[string]string{
		"replicaCount": replicated, "database": replicated, "podDisruptionBudget": replicated,
		"autoscaling": scaled, "database.existingSecret": allEnabled,
		"serviceAccount.name": "{serviceAccount: {create: false}}",
	}
	forEachChart(t, func(t *testing.T, c chart) {
		for path, defaultValue := range leafValues(t, c) {
			t.Run(path, func(t *testing.T) {
				base, ok := baseValues[path]
				if !ok {
					base, ok = baseValues[strings.Split(path, ".")[0]]
				}
				if !ok {
					base = allEnabled
				}
				before := manifestWith(t, c, base, path, defaultValue)
				after := manifestWith(t, c, base, path, otherValue(path, defaultValue))
				assert.False(t, before == after, "the value has no effect")
			})
		}
	})
}

// manifestWith returns the manifest for base values and one more value.
func manifestWith(t *testing.T, c chart, base, path string, value any) string {
	t.Helper()
	text, err := json.Marshal(value)
	require.NoError(t, err)
	manifest, err := helmTemplate(t, c, c.Name, base, "--set-json", path+"="+string(text))
	require.NoError(t, err)
	return manifest
}

// leafValues returns by path the defaults of the values that have no members.
func leafValues(t *testing.T, c chart) map[string]any {
	t.Helper()
	files, err := generate.Files(chartsRoot, c)
	require.NoError(t, err)
	var defaults map[string]any
	require.NoError(t, yaml.Unmarshal([]byte(files["values.yaml"]), &defaults))
	found := map[string]any{}
	addLeaves(found, "", defaults)
	delete(found, "httpRoute.parentRefs") // an HTTPRoute needs at least one
	return found
}

func addLeaves(found map[string]any, prefix string, members map[string]any) {
	for _, name := range slices.Sorted(maps.Keys(members)) {
		if inner, ok := members[name].(map[string]any); ok && len(inner) > 0 {
			addLeaves(found, prefix+name+".", inner)
		} else {
			found[prefix+name] = members[name]
		}
	}
}

// otherValue returns a value that differs from the default and that the schema
// accepts.
func otherValue(path string, defaultValue any) any {
	type members = map[string]any
	special := map[string]any{
		"image.digest": "sha256:" + digest, "image.pullPolicy": "Always", "service.type": "NodePort",
		"slo.availabilityPercent": 99.5, "slo.latencyPercent": 95, "slo.latencySeconds": 0.5,
		"config.logLevel": "debug", "telemetry.otlpProtocol": "grpc", "prometheusRule.kind": "ConfigMap",
		"serviceMonitor.interval": "7s", "imagePullSecrets": []any{members{"name": "registry"}},
		"global.imagePullSecrets":           []any{"registry"},
		"topologySpreadConstraints":         []any{members{"maxSkew": 2, "topologyKey": "rack", "whenUnsatisfiable": "ScheduleAnyway", "labelSelector": members{}}},
		"tolerations":                       []any{members{"key": "dedicated", "operator": "Exists"}},
		"affinity":                          members{"nodeAffinity": members{"preferredDuringSchedulingIgnoredDuringExecution": []any{}}},
		"autoscaling.behavior":              members{"scaleDown": members{"stabilizationWindowSeconds": 10}},
		"securityContext.capabilities.drop": []any{"NET_RAW"}, "ingress.hosts": []any{"a.example.com"},
		"ingress.tls":         []any{members{"secretName": "tls", "hosts": []any{"a.example.com"}}},
		"httpRoute.hostnames": []any{"a.example.com"},
		"dnsConfig":           members{"options": []any{members{"name": "ndots", "value": "1"}}},
		"extraContainers":     []any{members{"name": "proxy", "image": "proxy:1"}},
		"extraObjects":        []any{members{"apiVersion": "v1", "kind": "ConfigMap", "metadata": members{"name": "extra"}}},
		"service.ipFamilies":  []any{"IPv6"}, "service.ipFamilyPolicy": "PreferDualStack", "service.trafficDistribution": "PreferClose",
		"console.traceURL": "https://other/{trace_id}", "config.corsOrigins": []any{"https://other.example.com"},
		"extraEnv":          []any{members{"name": "GOGC", "value": "200"}},
		"extraVolumes":      []any{members{"name": "extra", "emptyDir": members{}}},
		"extraVolumeMounts": []any{members{"name": "tmp", "mountPath": "/extra"}},
	}
	if value, ok := special[path]; ok {
		return value
	}
	switch value := defaultValue.(type) {
	case bool:
		return !value
	case int:
		return value + 1
	case float64:
		return value / 2
	case string:
		return otherString(path)
	case map[string]any:
		return members{"key": "other"}
	default:
		return []any{members{"podSelector": members{}}}
	}
}

func otherString(path string) string {
	switch {
	case strings.HasPrefix(path, "resources."), path == "persistence.size":
		return "3Gi"
	case strings.HasSuffix(path, "Endpoint"), strings.HasSuffix(path, "URL"), strings.HasSuffix(path, "url"):
		return "http://other:4318"
	default:
		return "other"
	}
}
