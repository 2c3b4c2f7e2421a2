package charttest

import (
	"testing"

	"github.com/stretchr/testify/require"
)

const postgres = "database: {existingSecret: db}"

// A budget on one pod would block the drain of its node for ever.
func TestABudgetNeedsTwoPods(t *testing.T) {
	for _, c := range bothCharts() {
		require.Nil(t, render(t, c, "").one(t, "PodDisruptionBudget"))
		require.Nil(t, render(t, c, "{"+postgres+", replicaCount: 1}").one(t, "PodDisruptionBudget"))
		require.Nil(t, render(t, c, "{"+postgres+", replicaCount: 2, podDisruptionBudget: {enabled: false}}").one(t, "PodDisruptionBudget"))
		for _, values := range []string{"replicaCount: 2", "autoscaling: {enabled: true}"} {
			budget := render(t, c, "{"+postgres+", "+values+"}").one(t, "PodDisruptionBudget")
			require.Equal(t, 1, budget.at("spec.maxUnavailable"))
			require.Equal(t, "AlwaysAllow", budget.at("spec.unhealthyPodEvictionPolicy"))
		}
		share := render(t, c, "{"+postgres+", replicaCount: 4, podDisruptionBudget: {maxUnavailable: 25%}}").one(t, "PodDisruptionBudget")
		require.Equal(t, "25%", share.at("spec.maxUnavailable"))
	}
}

func TestTheAutoscalerOwnsTheNumberOfPods(t *testing.T) {
	for _, c := range bothCharts() {
		require.Nil(t, render(t, c, "").one(t, "HorizontalPodAutoscaler"))
		all := render(t, c, "{"+postgres+", autoscaling: {enabled: true, minReplicas: 3, maxReplicas: 9, behavior: {scaleDown: {stabilizationWindowSeconds: 10}}}}")
		deployment, scaler := all.one(t, "Deployment"), all.one(t, "HorizontalPodAutoscaler")
		require.NotContains(t, deployment["spec"], "replicas")
		require.Equal(t, deployment.at("metadata.name"), scaler.at("spec.scaleTargetRef.name"))
		require.Equal(t, 3, scaler.at("spec.minReplicas"))
		require.Equal(t, 9, scaler.at("spec.maxReplicas"))
		require.Equal(t, 80, scaler.at("spec.metrics.0.resource.target.averageUtilization"))
		require.Equal(t, 10, scaler.at("spec.behavior.scaleDown.stabilizationWindowSeconds"))
		for _, none := range []string{"requests: {cpu: null}", "requests: null"} {
			require.Contains(t, refusal(t, c, "{"+postgres+", autoscaling: {enabled: true}, resources: {"+none+"}}"),
				"autoscaling.enabled is true, but the use of CPU is measured against the request, and there is none: set resources.requests.cpu.")
			render(t, c, "{"+postgres+", resources: {"+none+"}}")
			// Kubernetes takes the limit for the request where that is missing.
			render(t, c, "{"+postgres+", autoscaling: {enabled: true}, resources: {limits: {cpu: 1}, "+none+"}}")
		}
	}
}

func TestPodsAreSpreadOverTheNodesThatAdmitThem(t *testing.T) {
	for _, c := range bothCharts() {
		deployment := render(t, c, "{"+postgres+", replicaCount: 2}").one(t, "Deployment")
		spread := asObject(podOf(deployment).at("topologySpreadConstraints.0"))
		require.Equal(t, "kubernetes.io/hostname", spread["topologyKey"])
		require.Equal(t, "DoNotSchedule", spread["whenUnsatisfiable"])
		require.Equal(t, "Honor", spread["nodeTaintsPolicy"])
		require.Equal(t, []any{"pod-template-hash"}, spread["matchLabelKeys"])
		require.True(t, selects(spread.at("labelSelector.matchLabels"), deployment.at("spec.template.metadata.labels")))
	}
}
