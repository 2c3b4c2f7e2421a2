package charttest

import (
	"testing"

	"github.com/stretchr/testify/require"
)

const postgres = "database: {existingSecret: db}"

func TestPodDisruptionBudget(t *testing.T) {
	// A PodDisruptionBudget for a single pod would block the drain of its node.
	t.Run("needs two pods", func(t *testing.T) {
		forEachChart(t, func(t *testing.T, c chart) {
			require.Nil(t, render(t, c, "").find(t, "PodDisruptionBudget"))
			require.Nil(t, render(t, c, "{"+postgres+", replicaCount: 1}").find(t, "PodDisruptionBudget"))
			require.Nil(t, render(t, c, "{"+postgres+", replicaCount: 2, podDisruptionBudget: {enabled: false}}").find(t, "PodDisruptionBudget"))
			for _, values := range []string{"replicaCount: 2", "autoscaling: {enabled: true}"} {
				budget := render(t, c, "{"+postgres+", "+values+"}").find(t, "PodDisruptionBudget")
				require.Equal(t, 1, budget.at("spec.maxUnavailable"))
				require.Equal(t, "AlwaysAllow", budget.at("spec.unhealthyPodEvictionPolicy"))
			}
			share := render(t, c, "{"+postgres+", replicaCount: 4, podDisruptionBudget: {maxUnavailable: 25%}}").find(t, "PodDisruptionBudget")
			require.Equal(t, "25%", share.at("spec.maxUnavailable"))
		})
	})
}

func TestAutoscaler(t *testing.T) {
	t.Run("controls the number of pods", func(t *testing.T) {
		forEachChart(t, func(t *testing.T, c chart) {
			require.Nil(t, render(t, c, "").find(t, "HorizontalPodAutoscaler"))
			all := render(t, c, "{"+postgres+", autoscaling: {enabled: true, minReplicas: 3, maxReplicas: 9, "+
				"behavior: {scaleDown: {stabilizationWindowSeconds: 10}}}}")
			deployment, scaler := all.find(t, "Deployment"), all.find(t, "HorizontalPodAutoscaler")
			require.NotContains(t, deployment["spec"], "replicas")
			require.Equal(t, deployment.at("metadata.name"), scaler.at("spec.scaleTargetRef.name"))
			require.Equal(t, 3, scaler.at("spec.minReplicas"))
			require.Equal(t, 9, scaler.at("spec.maxReplicas"))
			require.Equal(t, 80, scaler.at("spec.metrics.0.resource.target.averageUtilization"))
			require.Equal(t, 10, scaler.at("spec.behavior.scaleDown.stabilizationWindowSeconds"))
			for _, noRequest := range []string{"requests: {cpu: null}", "requests: null"} {
				require.Contains(t, renderError(t, c, "{"+postgres+", autoscaling: {enabled: true}, resources: {"+noRequest+"}}"),
					"autoscaling.enabled is true, but there is no CPU request to measure utilization against: set resources.requests.cpu.")
				render(t, c, "{"+postgres+", resources: {"+noRequest+"}}")
				// Kubernetes uses the limit as the request if there is no request.
				render(t, c, "{"+postgres+", autoscaling: {enabled: true}, resources: {limits: {cpu: 1}, "+noRequest+"}}")
			}
		})
	})
}

func TestTopologySpread(t *testing.T) {
	t.Run("counts only nodes that admit the pods", func(t *testing.T) {
		forEachChart(t, func(t *testing.T, c chart) {
			deployment := render(t, c, "{"+postgres+", replicaCount: 2}").find(t, "Deployment")
			spread := asObject(podSpec(deployment).at("topologySpreadConstraints.0"))
			require.Equal(t, "kubernetes.io/hostname", spread["topologyKey"])
			require.Equal(t, "DoNotSchedule", spread["whenUnsatisfiable"])
			require.Equal(t, "Honor", spread["nodeTaintsPolicy"])
			require.Equal(t, []any{"pod-template-hash"}, spread["matchLabelKeys"])
			require.True(t, selects(spread.at("labelSelector.matchLabels"), deployment.at("spec.template.metadata.labels")))
		})
	})
}
