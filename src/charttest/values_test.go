package charttest

import (
	"encoding/json"
	"os"
	"testing"

	"github.com/stretchr/testify/require"
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
			"word for a number":                {"{replicaCount: two}", "at '/replicaCount': 'two' does not match"},
			"several pods as text":             {`{replicaCount: "2"}`, "replicaCount is 2, but only one pod can use a SQLite database"},
			"string for a boolean":             {`{ingress: {enabled: "yes"}}`, "at '/ingress/enabled': 'yes' does not match"},
			"number for a string":              {"{image: {tag: 1.0}}", "at '/image/tag': got number, want null or string"},
			"fraction for an integer":          {"{replicaCount: 1.5}", "at '/replicaCount': got number, want null or integer"},
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
			"empty image repository":           {`{image: {repository: ""}}`, "image.repository is set to nothing: name a repository, or remove the key"},
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
