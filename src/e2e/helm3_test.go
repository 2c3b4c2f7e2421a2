//go:build e2e

package e2e

import (
	"os/exec"
	"testing"
)

// TestHelm3Release installs users by Helm 3, and goes on with the release by Helm.
func TestHelm3Release(t *testing.T) {
	t.Parallel()
	if _, err := exec.LookPath("helm3"); err != nil {
		logDetail("%s: left out, because helm3 is not installed", t.Name())
		t.Skip("helm3 is not installed")
	}
	n := newNamespace(t, "helm3")
	defer func() {
		recordInstallation(t, helmVersion("helm3")+", then "+helmVersion("helm"), "a release of users", folder.name)
	}()
	must(t, "install users by Helm 3", func() error {
		return run("helm3", "--namespace="+string(n), "install", "users", "charts/users", "--wait", "--timeout=3m").err
	})
	path, err := n.createUser("users")
	if err != nil {
		t.Fatal(err)
	}
	check(t, "an upgrade and a rollback replace the pod, and keep the data", func() error {
		return inOrder(
			func() error { return n.relabel("users", "upgraded") },
			func() error { return n.waitForReplacement("users", func() error { return n.rollBack("users", "1") }) },
			func() error { return n.expectStatus("users", path, 200) })
	})
	check(t, "the Helm test passes", func() error { return n.runHelmTests("users") })
	check(t, "the release is uninstalled", func() error { return n.helm("uninstall", "users", "--wait").err })
}
