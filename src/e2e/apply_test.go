//go:build e2e

package e2e

import (
	"fmt"
	"strings"
	"testing"
	"time"
)

// TestServerSideApply renders the umbrella chart without a cluster and applies it
// server-side, as Argo CD does. Afterwards nothing may differ from the manifest.
func TestServerSideApply(t *testing.T) {
	t.Parallel()
	n := newNamespace(t, "apply")
	defer func() {
		recordInstallation(t, "`helm template`, `kubectl apply --server-side`", umbrellaChart.name, folder.name)
	}()
	must(t, "install PostgreSQL", func() error { return run("k8s/postgres/install.sh", string(n)).err })
	manifest := ""
	must(t, "apply the rendered umbrella chart, and wait until both services are ready", func() error {
		return inOrder(
			func() (err error) { manifest, err = n.renderUmbrella(); return err },
			func() error { return n.apply(manifest) })
	})
	check(t, "kubectl diff --server-side finds nothing", func() error { return n.diff(manifest) })
	must(t, "apply it with an autoscaler of orders, which starts a second pod", func() error {
		return inOrder(
			func() (err error) {
				manifest, err = n.renderUmbrella("--set=orders.autoscaling.enabled=true", "--set=orders.autoscaling.minReplicas=2")
				return err
			},
			func() error { return n.apply(manifest) },
			func() error { return n.waitForReplicas("shop", func(pods int) bool { return pods == 3 }) })
	})
	check(t, "kubectl diff --server-side finds nothing", func() error { return n.diff(manifest) })
	check(t, "with a number of pods in the manifest, kubectl diff --server-side finds it", func() error {
		return expectFailure(commandResult{err: n.diff(withReplicas(manifest))}, "replicas: 7")
	})
	check(t, "orders calls users", func() error {
		return n.through("shop-orders", func(s service) error {
			return eventually(time.Minute, func() error {
				health, err := s.call("GET", "/health", "", 200)
				if err == nil && health["status"] != "healthy" {
					err = fmt.Errorf("the health is %v", health)
				}
				return err
			})
		})
	})
}

// renderUmbrella renders the umbrella chart without a cluster and without its tests.
func (n namespace) renderUmbrella(flags ...string) (string, error) {
	rendered := n.helm(append([]string{
		"template", "shop", "charts/tandem", "--skip-tests",
		"--set=users.database.existingSecret=users-database", "--set=orders.database.existingSecret=orders-database",
	}, flags...)...)
	return rendered.stdout, rendered.err
}

// apply applies a manifest server-side, and waits until both services are ready.
func (n namespace) apply(manifest string) error {
	return inOrder(
		func() error {
			return runWithInput(manifest, "kubectl", "--namespace="+string(n), "apply", "--server-side", "--filename=-").err
		},
		func() error {
			return n.kubectl("rollout", "status", "deployment/shop-users", "--timeout=2m").err
		},
		func() error { return n.kubectl("rollout", "status", "deployment/shop-orders", "--timeout=2m").err })
}

// diff returns an error with the differences if the cluster's objects are not as in
// the manifest.
func (n namespace) diff(manifest string) error {
	return runWithInput(manifest, "kubectl", "--namespace="+string(n), "diff", "--server-side", "--filename=-").err
}

// withReplicas returns the manifest with a number of pods in the Deployment of
// orders, as a chart has it that renders the number under an autoscaler.
func withReplicas(manifest string) string {
	documents := strings.Split(manifest, "\n---\n")
	for i, document := range documents {
		if strings.Contains(document, "kind: Deployment") && strings.Contains(document, "templates/deployment.yaml") &&
			strings.Contains(document, "charts/orders/") {
			documents[i] = strings.Replace(document, "\nspec:\n", "\nspec:\n  replicas: 7\n", 1)
		}
	}
	return strings.Join(documents, "\n---\n")
}
