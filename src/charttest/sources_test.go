package charttest

import (
	"bytes"
	"io"
	"io/fs"
	"log"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-containerregistry/pkg/registry"
	"github.com/stretchr/testify/require"

	"tandem/src/charts/generate"
)

// TestSources renders a chart from every place that it can come from. The
// manifests must be the same, byte for byte, and need no cluster.
func TestSources(t *testing.T) {
	forEachHelm(t, func(t *testing.T, h helm) {
		address := startRegistry(t)
		for chart, values := range sourceValues {
			t.Run(chart, func(t *testing.T) {
				checkout := chartFile(chart, "")
				want := h.template(t, values, checkout)
				require.Contains(t, want, "kind: Deployment")
				require.Equal(t, want, h.template(t, values, checkout), "a second time")

				built := filepath.Join(t.TempDir(), chart)
				require.NoError(t, os.CopyFS(built, os.DirFS(checkout)))
				require.Equal(t, want, h.template(t, values, built), "the folder alone")
				h.run(t, "", "dependency", "build", built)
				require.Equal(t, want, h.template(t, values, built), "after helm dependency build")

				archive := h.pack(t, checkout)
				require.Equal(t, want, h.template(t, values, archive), "an archive")
				h.run(t, "", "push", archive, "oci://"+address+"/charts", "--plain-http")
				published := h.template(t, values, "oci://"+address+"/charts/"+chart, "--version=0.1.0", "--plain-http")
				require.Equal(t, want, published, "a registry")
			})
		}
	})
}

// An umbrella chart of somebody else gets the charts from a folder or a registry.
func TestDependencies(t *testing.T) {
	forEachHelm(t, func(t *testing.T, h helm) {
		address := startRegistry(t)
		u := umbrella{}
		for _, d := range umbrellas["aliases"].dependencies {
			d.Repository = "file://" + absolute(t, chartFile(d.Name, ""))
			if d.Name == "users" {
				h.run(t, "", "push", h.pack(t, chartFile("users", "")), "oci://"+address+"/charts", "--plain-http")
				d.Repository = "oci://" + address + "/charts"
			}
			u.dependencies = append(u.dependencies, d)
		}
		folder := u.write(t)
		require.NoError(t, os.RemoveAll(filepath.Join(folder, "charts")))
		h.run(t, "", "dependency", "build", folder, "--plain-http")
		require.Equal(t, h.template(t, "", umbrellas["aliases"].write(t)), h.template(t, "", folder))
	})
}

func absolute(t *testing.T, path string) string {
	t.Helper()
	path, err := filepath.Abs(path)
	require.NoError(t, err)
	return path
}

// sourceValues are values by chart that use all of the chart's files.
var sourceValues = map[string]string{
	"users":               "{dashboards: {enabled: true}}",
	"orders":              "{dashboards: {enabled: true}}",
	generate.UmbrellaName: "{users: {dashboards: {enabled: true}}, orders: {dashboards: {enabled: true}}}",
}

func TestLinks(t *testing.T) {
	t.Run("are not in the charts", func(t *testing.T) { require.Empty(t, links(t, chartsRoot)) })

	t.Run("would make Helm warn, and be files with a path in some checkouts", func(t *testing.T) {
		root := copyCharts(t)
		require.NoError(t, os.RemoveAll(filepath.Join(root, "users/dashboards")))
		require.NoError(t, os.Symlink("../service/dashboards", filepath.Join(root, "users/dashboards")))
		require.Equal(t, []string{"users/dashboards"}, links(t, root))
		forEachHelm(t, func(t *testing.T, h helm) {
			_, stderr := h.output(t, "", "template", "users", filepath.Join(root, "users"))
			require.Contains(t, stderr, "found symbolic link")
		})
	})
}

// links returns the symbolic links below a folder.
func links(t *testing.T, root string) []string {
	t.Helper()
	var found []string
	require.NoError(t, filepath.WalkDir(root, func(path string, entry fs.DirEntry, err error) error {
		if err == nil && entry.Type()&fs.ModeSymlink != 0 {
			path, err = filepath.Rel(root, path)
			found = append(found, path)
		}
		return err
	}))
	return found
}

// Git for Windows converts line ends by default.
func TestLineEnds(t *testing.T) {
	t.Run("are the same in every checkout", func(t *testing.T) {
		require.Empty(t, differentFiles(t, chartsRoot, filepath.Join(checkoutOnWindows(t, true), "charts")))
	})
	t.Run("would not be the same without .gitattributes", func(t *testing.T) {
		different := differentFiles(t, chartsRoot, filepath.Join(checkoutOnWindows(t, false), "charts"))
		require.Contains(t, different, "users/templates/_deployment.tpl")
	})
}

// checkoutOnWindows returns a clone of the charts with the defaults that Git has
// on Windows.
func checkoutOnWindows(t *testing.T, attributes bool) string {
	t.Helper()
	origin, clone := t.TempDir(), filepath.Join(t.TempDir(), "clone")
	require.NoError(t, os.CopyFS(filepath.Join(origin, "charts"), os.DirFS(chartsRoot)))
	if attributes {
		text, err := os.ReadFile("../../.gitattributes")
		require.NoError(t, err)
		require.NoError(t, os.WriteFile(filepath.Join(origin, ".gitattributes"), text, 0o600))
	}
	for _, args := range [][]string{
		{"-C", origin, "init", "--quiet"},
		{"-C", origin, "add", "--all"},
		{"-C", origin, "-c", "user.name=test", "-c", "user.email=test@example.com", "commit", "--quiet", "--message=test"},
		{"clone", "--quiet", "--config", "core.autocrlf=true", "--config", "core.symlinks=false", origin, clone},
	} {
		out, err := exec.Command("git", args...).CombinedOutput()
		require.NoError(t, err, "%s", out)
	}
	return clone
}

// differentFiles returns the files below a folder that are not the same below
// another one.
func differentFiles(t *testing.T, root, other string) []string {
	t.Helper()
	var different []string
	require.NoError(t, filepath.WalkDir(root, func(path string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		name, err := filepath.Rel(root, path)
		require.NoError(t, err)
		want, err := os.ReadFile(path)
		require.NoError(t, err)
		if got, _ := os.ReadFile(filepath.Join(other, name)); !bytes.Equal(want, got) {
			different = append(different, name)
		}
		return nil
	}))
	return different
}

// startRegistry starts an OCI registry and returns its address.
func startRegistry(t *testing.T) string {
	t.Helper()
	server := httptest.NewServer(registry.New(registry.Logger(log.New(io.Discard, "", 0))))
	t.Cleanup(server.Close)
	return server.Listener.Addr().String()
}

// helm is one version of Helm with an empty configuration, and without a cluster.
type helm struct {
	program string
	env     []string
}

// forEachHelm runs a subtest for each version of Helm that is installed.
func forEachHelm(t *testing.T, test func(t *testing.T, h helm)) {
	t.Helper()
	tested := map[string]bool{}
	for _, name := range []string{"helm", "helm4", "helm3"} {
		if _, err := exec.LookPath(name); err != nil && name != "helm" {
			continue
		}
		h := helm{program: findTool(t, name)}
		for _, variable := range []string{"HELM_CACHE_HOME", "HELM_CONFIG_HOME", "HELM_DATA_HOME"} {
			h.env = append(h.env, variable+"="+t.TempDir())
		}
		h.env = append(h.env, "KUBECONFIG="+os.DevNull)
		version := strings.TrimSpace(h.run(t, "", "version", "--short"))
		if !tested[version] {
			tested[version] = true
			t.Run(version, func(t *testing.T) { test(t, h) })
		}
	}
}

// template returns the manifest of the release "shop" of a chart.
func (h helm) template(t *testing.T, values, chart string, flags ...string) string {
	t.Helper()
	return h.run(t, values, append([]string{"template", "shop", chart, "--namespace=shop", "--values=-"}, flags...)...)
}

// pack returns the path of an archive of the chart in a folder.
func (h helm) pack(t *testing.T, folder string) string {
	t.Helper()
	target := t.TempDir()
	h.run(t, "", "package", folder, "--destination", target)
	archives, err := filepath.Glob(filepath.Join(target, "*.tgz"))
	require.NoError(t, err)
	require.Len(t, archives, 1)
	return archives[0]
}

// run returns what helm prints. Helm must have nothing to warn of.
func (h helm) run(t *testing.T, stdin string, args ...string) string {
	t.Helper()
	stdout, stderr := h.output(t, stdin, args...)
	require.NotContains(t, strings.ToLower(stderr), "warn")
	require.NotContains(t, stderr, "symbolic link")
	return stdout
}

func (h helm) output(t *testing.T, stdin string, args ...string) (stdout, stderr string) {
	t.Helper()
	command := exec.Command(h.program, args...)
	command.Env = append(os.Environ(), h.env...)
	command.Stdin = strings.NewReader(stdin)
	var out, messages bytes.Buffer
	command.Stdout, command.Stderr = &out, &messages
	err := command.Run()
	require.NoError(t, err, "helm %s: %s", strings.Join(args, " "), &messages)
	return out.String(), messages.String()
}
