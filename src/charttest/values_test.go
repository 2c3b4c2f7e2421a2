package charttest

import (
	"encoding/json"
	"os"
	"testing"

	"github.com/stretchr/testify/require"
	"go.yaml.in/yaml/v3"

	"tandem/src/charts/generate"
)

func TestValuesSchema(t *testing.T) {
	t.Run("rejects typos and wrong types", func(t *testing.T) {
		tests := map[string]struct{ values, want string }{
			"unknown member at the top":        {"{replicas: 2}", "additional properties 'replicas' not allowed"},
			"unknown member below":             {"{image: {tagg: x}}", "at '/image': additional properties 'tagg' not allowed"},
			"unknown under service":            {"{service: {prot: 1}}", "at '/service': additional properties 'prot' not allowed"},
			"unknown resource":                 {"{resources: {limits: {memroy: 1Gi}}}", "at '/resources/limits': additional properties 'memroy' not allowed"},
			"unknown probe field":              {"{readinessProbe: {path: /}}", "at '/readinessProbe': additional properties 'path' not allowed"},
			"unknown in a list":                {"{networkPolicy: {allowFrom: [{podSelecter: {}}]}}", "additional properties 'podSelecter' not allowed"},
			"string for a number":              {`{replicaCount: "2"}`, "at '/replicaCount': got string, want integer"},
			"string for a boolean":             {`{ingress: {enabled: "yes"}}`, "at '/ingress/enabled': got string, want boolean"},
			"number for a string":              {"{image: {tag: 1.0}}", "at '/image/tag': got number, want string"},
			"fraction for an integer":          {"{replicaCount: 1.5}", "at '/replicaCount': got number, want integer"},
			"below the minimum":                {"{replicaCount: -1}", "at '/replicaCount': minimum"},
			"not in the enumeration":           {"{config: {logLevel: loud}}", "at '/config/logLevel': value must be one of"},
			"not a digest":                     {"{image: {digest: latest}}", "at '/image/digest'"},
			"not a quantity":                   {"{resources: {limits: {memory: much}}}", "at '/resources/limits/memory'"},
			"ratio above one":                  {"{telemetry: {samplingRatio: 2}}", "at '/telemetry/samplingRatio'"},
			"autoscaling from one pod":         {"{autoscaling: {minReplicas: 1}}", "at '/autoscaling/minReplicas'"},
			"not a name":                       {"{fullnameOverride: My_Shop}", "at '/fullnameOverride'"},
			"name that begins with a digit":    {"{fullnameOverride: 1st}", "at '/fullnameOverride'"},
			"invalid name of a Secret":         {"{database: {existingSecret: My_Secret}}", "at '/database/existingSecret'"},
			"invalid name of a ServiceAccount": {"{serviceAccount: {name: My_Account}}", "at '/serviceAccount/name'"},
			"empty image repository":           {`{image: {repository: ""}}`, "at '/image/repository'"},
			"number for a label":               {"{podLabels: {tier: 1}}", "at '/podLabels/tier'"},
			"maxUnavailable 0":                 {"{podDisruptionBudget: {maxUnavailable: 0}}", "at '/podDisruptionBudget/maxUnavailable': minimum"},
			"maxUnavailable 0%":                {`{podDisruptionBudget: {maxUnavailable: "0%"}}`, "at '/podDisruptionBudget/maxUnavailable': '0%' does not match"},
			"maxUnavailable a word":            {"{podDisruptionBudget: {maxUnavailable: lots}}", "at '/podDisruptionBudget/maxUnavailable': 'lots' does not match"},
			"HTTPRoute without a Gateway":      {"{httpRoute: {enabled: true}}", "httpRoute.parentRefs is empty: name a Gateway"},
			"maxReplicas below minReplicas":    {"{database: {existingSecret: db}, autoscaling: {enabled: true, minReplicas: 6}}", "autoscaling.minReplicas is 6, but autoscaling.maxReplicas is 5: raise autoscaling.maxReplicas, or lower autoscaling.minReplicas."},
		}
		forEachChart(t, func(t *testing.T, c chart) {
			for name, tt := range tests {
				t.Run(name, func(t *testing.T) {
					require.Contains(t, renderError(t, c, tt.values), tt.want)
				})
			}
		})
	})

	// Helm removes the default of a value that the user sets to null.
	t.Run("rejects null where the templates need a default", func(t *testing.T) {
		forEachChart(t, func(t *testing.T, c chart) {
			files, err := generate.Files(chartsRoot, c)
			require.NoError(t, err)
			var defaults map[string]any
			require.NoError(t, yaml.Unmarshal([]byte(files["values.yaml"]), &defaults))
			delete(defaults, "global") // an umbrella chart sets it, or not
			for name := range defaults {
				require.Contains(t, renderError(t, c, "{"+name+": null}"), "missing propert", name)
			}
			require.Contains(t, renderError(t, c, "{config: {drainDelaySeconds: null}}"), "at '/config': missing property 'drainDelaySeconds'")
			require.Contains(t, renderError(t, c, "{readinessProbe: {periodSeconds: null}}"),
				"at '/readinessProbe': missing property 'periodSeconds'")
			render(t, c, "{resources: {limits: null, requests: null}, podSecurityContext: {runAsUser: null}, startupProbe: {periodSeconds: null}}")
		})
	})

	t.Run("rejects unknown members at every level", func(t *testing.T) {
		forEachChart(t, func(t *testing.T, c chart) {
			text, err := os.ReadFile(chartFile(c.Name, "values.schema.json"))
			require.NoError(t, err)
			var schema map[string]any
			require.NoError(t, json.Unmarshal(text, &schema))
			requireNoUnknownMembers(t, c.Name, schema)
		})
	})
}

// openValues are the values that the charts copy into pods as they are, whose
// members the API server checks, and those that other charts of an umbrella use
// too.
var openValues = map[string]bool{"podSecurityContext": true, "securityContext": true, "global": true}

// requireNoUnknownMembers checks that a schema rejects unknown members at every
// level.
func requireNoUnknownMembers(t *testing.T, path string, schema map[string]any) {
	t.Helper()
	properties, _ := schema["properties"].(map[string]any)
	if len(properties) > 0 {
		require.Equal(t, false, schema["additionalProperties"], path)
	}
	for name, member := range properties {
		if !openValues[name] {
			requireNoUnknownMembers(t, path+"."+name, member.(map[string]any))
		}
	}
}
