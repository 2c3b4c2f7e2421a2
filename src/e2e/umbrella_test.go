//go:build e2e

package e2e

import (
	"fmt"
	"path/filepath"
	"testing"
)

// TestUmbrella installs both charts in one release, without values.
func TestUmbrella(t *testing.T) {
	t.Parallel()
	n := newNamespace(t, "umbrella")
	must(t, "install the umbrella chart by the documented command, and wait until it is ready", func() error {
		return n.readmeHelm("helm install shop", "--wait", "--timeout=3m")
	})
	check(t, "the documented Helm test passes: orders calls the users of its release", func() error {
		return n.readmeHelm("helm test shop")
	})
	check(t, "an upgrade to an archive of the chart changes nothing", func() error {
		before := n.generations()
		folder := t.TempDir()
		return inOrder(
			func() error { return n.helm("package", "charts/tandem", "--destination", folder).err },
			func() error {
				archives, err := filepath.Glob(filepath.Join(folder, "*.tgz"))
				if err != nil {
					return err
				}
				if len(archives) != 1 {
					return fmt.Errorf("want one archive, found %v", archives)
				}
				return n.helm("upgrade", "shop", archives[0], "--wait", "--timeout=3m").err
			},
			func() error {
				if after := n.generations(); after != before || before == "" {
					return fmt.Errorf("the generations of the Deployments were %q and are %q", before, after)
				}
				return nil
			})
	})
	check(t, "the release is uninstalled", func() error { return n.helm("uninstall", "shop", "--wait").err })
}

// generations returns the generation of each Deployment.
func (n namespace) generations() string {
	return n.kubectl("get", "deployments", "--output=jsonpath={range .items[*]}{.metadata.name}={.metadata.generation} {end}").stdout
}
