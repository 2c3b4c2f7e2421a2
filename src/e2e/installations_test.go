//go:build e2e

package e2e

import (
	"errors"
	"fmt"
	"io"
	"log"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-containerregistry/pkg/registry"

	"tandem/src/e2e/results"
)

// TestInstallations installs both services in the usual way and, with E2E_CONTROLS,
// also in ways that differ from it in one respect. Each is upgraded, rolled back,
// tested and uninstalled.
func TestInstallations(t *testing.T) {
	t.Parallel()
	usual := installation{program: "helm", charts: umbrellaChart, source: archive}
	all := []installation{usual}
	if controlsEnabled() {
		for _, change := range []func(*installation){
			func(i *installation) { i.program = "helm3" },
			func(i *installation) { i.charts = separateCharts },
			func(i *installation) { i.charts = aliases },
			func(i *installation) { i.source = folder },
			func(i *installation) { i.source = ociRegistry },
		} {
			changed := usual
			change(&changed)
			all = append(all, changed)
		}
	}
	for number, i := range all {
		t.Run(i.program+", "+i.charts.name+", "+i.source.name, func(t *testing.T) {
			if _, err := exec.LookPath(i.program); err != nil {
				logDetail("%s: left out, because %s is not installed", t.Name(), i.program)
				t.Skip(i.program + " is not installed")
			}
			i.namespace = newNamespace(t, fmt.Sprintf("installation-%d", number))
			i.verify(t)
		})
	}
}

// installation is one way to install both services.
type installation struct {
	program string // Helm's
	charts  charts
	source  source
	namespace
}

// charts are the releases of an installation, in their order.
type charts struct {
	name          string
	releases      []release
	users, orders string // their Services
}

// release is a release of a chart, and the prefixes of the values of the services
// in it.
type release struct {
	name, chart string
	prefixes    []string
}

var (
	umbrellaChart = charts{
		name:     "the umbrella chart",
		releases: []release{{"shop", "tandem", []string{"users.", "orders."}}},
		users:    "shop-users", orders: "shop-orders",
	}
	separateCharts = charts{
		name:     "a release of each chart",
		releases: []release{{"users", "users", []string{""}}, {"orders", "orders", []string{""}}},
		users:    "users", orders: "orders",
	}
	aliases = charts{
		name:     "another umbrella, with aliases",
		releases: []release{{"shop", "aliases", []string{"accounts.", "purchases."}}},
		users:    "shop-accounts", orders: "shop-purchases",
	}
)

// source is a place that charts come from. Its function returns the chart and the
// flags to install it with.
type source struct {
	name   string
	locate func(t *testing.T, i installation, chart string) ([]string, error)
}

var (
	folder = source{"a checkout", func(t *testing.T, i installation, chart string) ([]string, error) {
		path, err := i.chartFolder(t, chart)
		return []string{path}, err
	}}
	archive = source{"an archive", func(t *testing.T, i installation, chart string) ([]string, error) {
		path, err := i.pack(t, chart)
		return []string{path}, err
	}}
	ociRegistry = source{"an OCI registry", func(t *testing.T, i installation, chart string) ([]string, error) {
		path, err := i.pack(t, chart)
		if err != nil {
			return nil, err
		}
		server := httptest.NewServer(registry.New(registry.Logger(log.New(io.Discard, "", 0))))
		t.Cleanup(server.Close)
		repository := "oci://" + server.Listener.Addr().String() + "/charts"
		pushed := run(i.program, "push", path, repository, "--plain-http")
		return []string{repository + "/" + chart, "--version=0.1.0", "--plain-http"}, pushed.err
	}}
)

// pack packages a chart and returns the path of its archive.
func (i installation) pack(t *testing.T, chart string) (string, error) {
	path, err := i.chartFolder(t, chart)
	if err != nil {
		return "", err
	}
	target := t.TempDir()
	if err := run(i.program, "package", path, "--destination", target).err; err != nil {
		return "", err
	}
	archives, err := filepath.Glob(filepath.Join(target, "*.tgz"))
	if err == nil && len(archives) != 1 {
		err = fmt.Errorf("want one archive of %s, found %v", path, archives)
	}
	if err != nil {
		return "", err
	}
	return archives[0], nil
}

// chartFolder returns the folder of a chart. It writes the chart "aliases", whose
// dependencies are both charts under other names.
func (i installation) chartFolder(t *testing.T, chart string) (string, error) {
	if chart != "aliases" {
		return filepath.Join("charts", chart), nil
	}
	repository, err := filepath.Abs(filepath.Join(root, "charts"))
	if err != nil {
		return "", err
	}
	path := filepath.Join(t.TempDir(), chart)
	meta := fmt.Sprintf(`{"apiVersion": "v2", "name": "aliases", "version": "0.1.0", "dependencies": [
		{"name": "users", "alias": "accounts", "version": "0.1.0", "repository": "file://%[1]s/users"},
		{"name": "orders", "alias": "purchases", "version": "0.1.0", "repository": "file://%[1]s/orders"}]}`, repository)
	return path, errors.Join(
		os.MkdirAll(path, 0o755), //nolint:gosec // not secret
		os.WriteFile(filepath.Join(path, "Chart.yaml"), []byte(meta), 0o600),
		run(i.program, "dependency", "build", path).err)
}

// helm runs the installation's Helm in its namespace.
func (i installation) helm(args ...string) error {
	return run(append([]string{i.program, "--namespace=" + string(i.namespace)}, args...)...).err
}

// forEachRelease runs a Helm command for each release, with more flags, and
// returns the first error.
func (i installation) forEachRelease(command func(release) []string) error {
	for _, r := range i.charts.releases {
		if err := i.helm(command(r)...); err != nil {
			return err
		}
	}
	return nil
}

// verify goes through the life of the installation, and records whether it worked.
func (i installation) verify(t *testing.T) {
	defer func() { recordInstallation(t, helmVersion(i.program), i.charts.name, i.source.name) }()
	references, path := map[string][]string{}, ""
	must(t, "install, and wait until both services are ready", func() error {
		return inOrder(
			func() (err error) { references, err = i.references(t); return err },
			func() error {
				return i.forEachRelease(func(r release) []string {
					return append([]string{"install", r.name, "--wait", "--timeout=3m"}, references[r.name]...)
				})
			},
			func() (err error) { path, err = i.createUser(i.charts.users); return err })
	})
	check(t, "the Helm tests pass: orders calls users", i.test)
	check(t, "an upgrade with new values replaces the pods", func() error {
		return inOrder(
			func() error {
				return i.forEachRelease(func(r release) []string { return r.upgrade(references[r.name]) })
			},
			func() error { return i.expectUpgraded(2) })
	})
	check(t, "a rollback replaces the pods, and keeps the data", func() error {
		return inOrder(
			func() error {
				return i.forEachRelease(func(r release) []string { return []string{"rollback", r.name, "1", "--wait", "--timeout=3m"} })
			},
			func() error { return i.expectUpgraded(0) },
			func() error { return i.expectStatus(i.charts.users, path, 200) },
			i.test)
	})
	check(t, "the charts of the checkout change nothing", func() error { return i.expectSameFolder(t) })
	check(t, "the releases are uninstalled", func() error {
		return i.forEachRelease(func(r release) []string { return []string{"uninstall", r.name, "--wait"} })
	})
}

// references returns the chart and the flags of each release.
func (i installation) references(t *testing.T) (map[string][]string, error) {
	all := map[string][]string{}
	for _, r := range i.charts.releases {
		reference, err := i.source.locate(t, i, r.chart)
		if err != nil {
			return nil, err
		}
		all[r.name] = reference
	}
	return all, nil
}

func (i installation) test() error {
	return i.forEachRelease(func(r release) []string { return []string{"test", r.name, "--timeout=90s"} })
}

// upgrade returns the words of a Helm command that gives the pods a label.
func (r release) upgrade(reference []string) []string {
	words := append([]string{"upgrade", r.name, "--reset-then-reuse-values", "--wait", "--timeout=3m"}, reference...)
	for _, prefix := range r.prefixes {
		words = append(words, "--set-string="+prefix+"podLabels.revision=upgraded")
	}
	return words
}

// expectUpgraded waits until the given number of pods have the label of the upgrade.
func (i installation) expectUpgraded(pods int) error {
	return eventually(time.Minute, func() error {
		listed := i.kubectl("get", "pods", "--selector=revision=upgraded,app.kubernetes.io/component=server", "--output=name")
		if n := len(strings.Fields(listed.stdout)); listed.err == nil && n != pods {
			return fmt.Errorf("%d pods have the label of the upgrade, not %d", n, pods)
		}
		return listed.err
	})
}

// expectSameFolder upgrades to the charts' folders, which must leave the Deployments
// as they are.
func (i installation) expectSameFolder(t *testing.T) error {
	i.source = folder
	before := i.generations()
	return inOrder(
		func() error {
			references, err := i.references(t)
			if err != nil {
				return err
			}
			return i.forEachRelease(func(r release) []string {
				return slices.Concat([]string{"upgrade", r.name, "--wait", "--timeout=3m"}, references[r.name])
			})
		},
		func() error {
			if after := i.generations(); after != before || before == "" {
				return fmt.Errorf("the generations of the Deployments were %q and are %q", before, after)
			}
			return nil
		})
}

// generations returns the generation of each Deployment.
func (n namespace) generations() string {
	return n.kubectl("get", "deployments", "--output=jsonpath={range .items[*]}{.metadata.name}={.metadata.generation} {end}").stdout
}

// recording lets parallel tests write into the same file one after the other.
var recording sync.Mutex

// recordInstallation writes a result into the folder in E2E_RESULTS, if it is set.
func recordInstallation(t *testing.T, helm, charts, source string) {
	t.Helper()
	folder := os.Getenv("E2E_RESULTS")
	if folder == "" {
		return
	}
	check(t, "write the result", func() error {
		recording.Lock()
		defer recording.Unlock()
		return results.AddInstallation(filepath.Join(root, folder, "installations.json"), results.Installation{
			Kubernetes: kubernetesVersion(), Helm: helm, Charts: charts, Source: source,
			Works: !t.Failed(), Date: time.Now().UTC().Format(time.RFC3339),
		})
	})
}

// helmVersion returns the version of a Helm program, such as 4.3.0.
func helmVersion(program string) string {
	return strings.TrimPrefix(run(program, "version", "--template={{.Version}}").stdout, "v")
}
