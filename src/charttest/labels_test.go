package charttest

import (
	"testing"

	"github.com/stretchr/testify/require"
)

func TestLabels(t *testing.T) {
	t.Run("are the recommended ones on every object", func(t *testing.T) {
		forEachValueSet(t, func(t *testing.T, c chart, all objects) {
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
	})

	// If a selector matched the test pods too, they would receive traffic and count
	// for the PodDisruptionBudget.
	t.Run("let selectors match the server pods only", func(t *testing.T) {
		forEachValueSet(t, func(t *testing.T, c chart, all objects) {
			deployment, test := all.find(t, "Deployment"), all.find(t, "Pod")
			selectors := map[string]any{
				"Deployment":    deployment.at("spec.selector.matchLabels"),
				"Service":       all.find(t, "Service", test.releaseName()).at("spec.selector"),
				"headless":      all.find(t, "Service", test.releaseName()+"-headless").at("spec.selector"),
				"NetworkPolicy": all.find(t, "NetworkPolicy", test.releaseName()).at("spec.podSelector.matchLabels"),
			}
			if budget := all.find(t, "PodDisruptionBudget"); budget != nil {
				selectors["PodDisruptionBudget"] = budget.at("spec.selector.matchLabels")
			}
			for name, selector := range selectors {
				require.True(t, selects(selector, deployment.at("spec.template.metadata.labels")), name)
				require.False(t, selects(selector, test.at("metadata.labels")), name)
				// A Deployment's selector is immutable, so it must not contain labels that change, such as the version.
				require.Equal(t, map[string]any{"app.kubernetes.io/name": c.Name, "app.kubernetes.io/instance": c.Name,
					"app.kubernetes.io/component": "server"}, asMap(selector), name)
			}
		})
	})

	t.Run("cannot be overridden where selectors use them", func(t *testing.T) {
		forEachChart(t, func(t *testing.T, c chart) {
			all := render(t, c, `{podLabels: {app.kubernetes.io/name: x, app.kubernetes.io/component: x},
				commonLabels: {app.kubernetes.io/instance: x}}`)
			deployment := all.find(t, "Deployment")
			require.True(t, selects(deployment.at("spec.selector.matchLabels"), deployment.at("spec.template.metadata.labels")))
		})
	})
}

func TestNames(t *testing.T) {
	t.Run("follow the release", func(t *testing.T) {
		forEachChart(t, func(t *testing.T, c chart) {
			for release, want := range map[string]string{c.Name: c.Name, c.Name + "-b": c.Name + "-b", "shop": "shop-" + c.Name} {
				all := renderRelease(t, c, release, "")
				require.Equal(t, want, all.find(t, "Deployment").at("metadata.name"))
				require.Equal(t, want+"-test-api", all.find(t, "Pod").at("metadata.name"))
			}
			require.Equal(t, "other", render(t, c, "{fullnameOverride: other}").find(t, "Deployment").at("metadata.name"))
		})
	})

	t.Run("keep two releases in one namespace apart", func(t *testing.T) {
		forEachChart(t, func(t *testing.T, c chart) {
			a, b := renderRelease(t, c, "a", ""), renderRelease(t, c, "b", "")
			ids := map[string]bool{}
			for _, o := range a {
				ids[o.id()] = true
			}
			for _, o := range b {
				require.False(t, ids[o.id()], o.id())
			}
			labels := b.find(t, "Deployment").at("spec.template.metadata.labels")
			require.False(t, selects(a.find(t, "Deployment").at("spec.selector.matchLabels"), labels))
			require.False(t, selects(a.find(t, "Service", "a-"+c.Name).at("spec.selector"), labels))
		})
	})
}

// selects reports whether a selector matches labels.
func selects(selector, labels any) bool {
	present := asMap(labels)
	for label, value := range asMap(selector) {
		if present[label] != value {
			return false
		}
	}
	return true
}
