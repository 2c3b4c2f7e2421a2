package charttest

import (
	"testing"

	"github.com/stretchr/testify/require"
)

func TestEveryObjectHasTheRecommendedLabels(t *testing.T) {
	forEverySetup(t, func(t *testing.T, c chart, all objects) {
		for _, o := range all {
			require.Equal(t, "shop", o.at("metadata.namespace"), o["kind"])
			labels := asMap(o.at("metadata.labels"))
			for label, want := range map[string]string{
				"helm.sh/chart": c.Name + "-0.1.0", "app.kubernetes.io/name": c.Name, "app.kubernetes.io/instance": c.Name,
				"app.kubernetes.io/version": "0.1.0", "app.kubernetes.io/part-of": "tandem", "app.kubernetes.io/managed-by": "Helm",
			} {
				require.Equal(t, want, labels[label], "%s of %s", label, o["kind"])
			}
		}
	})
}

// What selects the pods that serve selects them and not the test pods, which
// would otherwise be sent traffic and hold back drains.
func TestSelectorsFindThePodsThatServeAlone(t *testing.T) {
	forEverySetup(t, func(t *testing.T, c chart, all objects) {
		deployment, test := all.one(t, "Deployment"), all.one(t, "Pod")
		selectors := map[string]any{
			"Deployment":    deployment.at("spec.selector.matchLabels"),
			"Service":       all.one(t, "Service", test.release()).at("spec.selector"),
			"headless":      all.one(t, "Service", test.release()+"-headless").at("spec.selector"),
			"NetworkPolicy": all.one(t, "NetworkPolicy", test.release()).at("spec.podSelector.matchLabels"),
		}
		if budget := all.one(t, "PodDisruptionBudget"); budget != nil {
			selectors["PodDisruptionBudget"] = budget.at("spec.selector.matchLabels")
		}
		for what, selector := range selectors {
			require.True(t, selects(selector, deployment.at("spec.template.metadata.labels")), what)
			require.False(t, selects(selector, test.at("metadata.labels")), what)
			// Immutable in a Deployment, so it may not hold what changes.
			require.Equal(t, map[string]any{"app.kubernetes.io/name": c.Name, "app.kubernetes.io/instance": c.Name,
				"app.kubernetes.io/component": "server"}, asMap(selector), what)
		}
	})
}

func TestTheUserCannotOverrideTheLabelsThatSelect(t *testing.T) {
	for _, c := range bothCharts() {
		all := render(t, c, `{podLabels: {app.kubernetes.io/name: x, app.kubernetes.io/component: x}, commonLabels: {app.kubernetes.io/instance: x}}`)
		deployment := all.one(t, "Deployment")
		require.True(t, selects(deployment.at("spec.selector.matchLabels"), deployment.at("spec.template.metadata.labels")))
	}
}

func TestNamesFollowTheRelease(t *testing.T) {
	for _, c := range bothCharts() {
		for release, want := range map[string]string{c.Name: c.Name, c.Name + "-b": c.Name + "-b", "shop": "shop-" + c.Name} {
			all := renderRelease(t, c, release, "")
			require.Equal(t, want, all.one(t, "Deployment").at("metadata.name"))
			require.Equal(t, want+"-test-api", all.one(t, "Pod").at("metadata.name"))
		}
		require.Equal(t, "other", render(t, c, "{fullnameOverride: other}").one(t, "Deployment").at("metadata.name"))
	}
}

// Two releases side by side in a namespace share no object and no pod.
func TestTwoReleasesDoNotMeet(t *testing.T) {
	for _, c := range bothCharts() {
		a, b := renderRelease(t, c, "a", ""), renderRelease(t, c, "b", "")
		taken := map[string]bool{}
		for _, o := range a {
			taken[o.id()] = true
		}
		for _, o := range b {
			require.False(t, taken[o.id()], o.id())
		}
		labels := b.one(t, "Deployment").at("spec.template.metadata.labels")
		require.False(t, selects(a.one(t, "Deployment").at("spec.selector.matchLabels"), labels))
		require.False(t, selects(a.one(t, "Service", "a-"+c.Name).at("spec.selector"), labels))
	}
}

// selects reports whether a selector's labels are all among those of a pod.
func selects(selector, labels any) bool {
	has := asMap(labels)
	for label, value := range asMap(selector) {
		if has[label] != value {
			return false
		}
	}
	return true
}
