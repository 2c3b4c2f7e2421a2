package charttest

import (
	"encoding/json"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
	"go.yaml.in/yaml/v3"
)

func TestTyposAndWrongTypesAreRefused(t *testing.T) {
	tests := map[string]struct{ values, complaint string }{
		"unknown at the top":        {"{replicas: 2}", "additional properties 'replicas' not allowed"},
		"unknown below":             {"{image: {tagg: x}}", "at '/image': additional properties 'tagg' not allowed"},
		"unknown under service":     {"{service: {prot: 1}}", "at '/service': additional properties 'prot' not allowed"},
		"unknown resource":          {"{resources: {limits: {memroy: 1Gi}}}", "at '/resources/limits': additional properties 'memroy' not allowed"},
		"unknown probe field":       {"{readinessProbe: {path: /}}", "at '/readinessProbe': additional properties 'path' not allowed"},
		"unknown in a list":         {"{networkPolicy: {allowFrom: [{podSelecter: {}}]}}", "additional properties 'podSelecter' not allowed"},
		"text for a number":         {`{replicaCount: "2"}`, "at '/replicaCount': got string, want integer"},
		"text for a switch":         {`{ingress: {enabled: "yes"}}`, "at '/ingress/enabled': got string, want boolean"},
		"number for a text":         {"{image: {tag: 1.0}}", "at '/image/tag': got number, want string"},
		"fraction":                  {"{replicaCount: 1.5}", "at '/replicaCount': got number, want integer"},
		"below the least":           {"{replicaCount: -1}", "at '/replicaCount': minimum"},
		"not a choice":              {"{config: {logLevel: loud}}", "at '/config/logLevel': value must be one of"},
		"not a digest":              {"{image: {digest: latest}}", "at '/image/digest'"},
		"not a quantity":            {"{resources: {limits: {memory: much}}}", "at '/resources/limits/memory'"},
		"share beyond one":          {"{telemetry: {samplingRatio: 2}}", "at '/telemetry/samplingRatio'"},
		"one pod to scale from":     {"{autoscaling: {minReplicas: 1}}", "at '/autoscaling/minReplicas'"},
		"not a name":                {"{fullnameOverride: My_Shop}", "at '/fullnameOverride'"},
		"name that begins with 1":   {"{fullnameOverride: 1st}", "at '/fullnameOverride'"},
		"not a Secret":              {"{database: {existingSecret: My_Secret}}", "at '/database/existingSecret'"},
		"not an account":            {"{serviceAccount: {name: My_Account}}", "at '/serviceAccount/name'"},
		"no image":                  {`{image: {repository: ""}}`, "at '/image/repository'"},
		"label that is not text":    {"{podLabels: {tier: 1}}", "at '/podLabels/tier'"},
		"no pod to evict":           {"{podDisruptionBudget: {maxUnavailable: 0}}", "at '/podDisruptionBudget/maxUnavailable': minimum"},
		"no percentage to evict":    {`{podDisruptionBudget: {maxUnavailable: "0%"}}`, "at '/podDisruptionBudget/maxUnavailable': '0%' does not match"},
		"words for pods to evict":   {"{podDisruptionBudget: {maxUnavailable: lots}}", "at '/podDisruptionBudget/maxUnavailable': 'lots' does not match"},
		"route without a Gateway":   {"{httpRoute: {enabled: true}}", "httpRoute.parentRefs names no Gateway"},
		"most pods below the least": {"{database: {existingSecret: db}, autoscaling: {enabled: true, minReplicas: 6}}", "autoscaling.minReplicas is 6, but autoscaling.maxReplicas is 5: raise autoscaling.maxReplicas, or lower autoscaling.minReplicas."},
	}
	for _, c := range bothCharts() {
		for name, tt := range tests {
			t.Run(c.Name+" "+name, func(t *testing.T) {
				require.Contains(t, refusal(t, c, tt.values), tt.complaint)
			})
		}
	}
}

// Helm drops the default of a value that is null.
func TestNullIsRefusedWhereADefaultIsCountedOn(t *testing.T) {
	for _, c := range bothCharts() {
		files, err := generate(c)
		require.NoError(t, err)
		var defaults map[string]any
		require.NoError(t, yaml.Unmarshal([]byte(files["values.yaml"]), &defaults))
		for name := range defaults {
			require.Contains(t, refusal(t, c, "{"+name+": null}"), "missing propert", name)
		}
		require.Contains(t, refusal(t, c, "{config: {drainDelaySeconds: null}}"), "at '/config': missing property 'drainDelaySeconds'")
		require.Contains(t, refusal(t, c, "{readinessProbe: {periodSeconds: null}}"), "at '/readinessProbe': missing property 'periodSeconds'")
		render(t, c, "{resources: {limits: null, requests: null}, podSecurityContext: {runAsUser: null}, startupProbe: {periodSeconds: null}}")
	}
}

// open are the values that are Kubernetes' own objects; the API server checks
// their members.
var open = map[string]bool{"podSecurityContext": true, "securityContext": true}

func TestSchemaRefusesUnknownMembersEverywhere(t *testing.T) {
	for _, c := range bothCharts() {
		text, err := os.ReadFile(filepath.Join("../../charts", c.Name, "values.schema.json"))
		require.NoError(t, err)
		var schema map[string]any
		require.NoError(t, json.Unmarshal(text, &schema))
		requireClosed(t, c.Name, schema)
	}
}

func requireClosed(t *testing.T, path string, schema map[string]any) {
	t.Helper()
	properties, _ := schema["properties"].(map[string]any)
	if len(properties) > 0 {
		require.Equal(t, false, schema["additionalProperties"], path)
	}
	for name, member := range properties {
		if !open[name] {
			requireClosed(t, path+"."+name, member.(map[string]any))
		}
	}
}
