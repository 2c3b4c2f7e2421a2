package main

import (
	"bytes"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestVersion(t *testing.T) {
	t.Run("is a semantic one without a v", func(t *testing.T) {
		for _, version := range []string{"0.2.0", "1.0.0-rc.1", "10.20.30"} {
			require.NoError(t, validate(version))
		}
		for _, version := range []string{"", "v0.2.0", "0.2", "01.2.3", "0.2.0+build", "25c96ac", "dev"} {
			require.ErrorContains(t, run([]string{"-version", version}, t.TempDir(), io.Discard), "is not a semantic version: give one without a v")
		}
	})
}

func TestCharts(t *testing.T) {
	if _, err := exec.LookPath("helm"); err != nil {
		t.Skip("helm is not installed")
	}
	t.Run("install the images of the version", func(t *testing.T) {
		r := release{root: "../..", dist: t.TempDir(), version: "1.2.3-rc.1", registry: "ghcr.io/example", stdout: io.Discard}
		require.NoError(t, r.charts())
		for chart, images := range map[string][]string{
			"users": {"users"}, "orders": {"orders"}, "tandem": {"users", "orders"},
		} {
			archive := r.path(chart + "-1.2.3-rc.1.tgz")
			manifest := helmOutput(t, "template", "shop", archive)
			meta := helmOutput(t, "show", "chart", archive)
			for _, image := range images {
				require.Contains(t, manifest, `image: "ghcr.io/example/tandem/`+image+`:1.2.3-rc.1"`)
				require.Contains(t, manifest, "helm.sh/chart: "+image+"-1.2.3-rc.1")
				require.Contains(t, meta, "image: ghcr.io/example/tandem/"+image+":1.2.3-rc.1\n")
			}
			require.NotContains(t, manifest, "0.1.0")
			require.NotContains(t, meta, "0.1.0")
			require.NotContains(t, helmOutput(t, "show", "readme", archive), "`\"tandem/")
		}
	})

	t.Run("are otherwise those of the repository", func(t *testing.T) {
		r := release{root: "../..", dist: t.TempDir(), version: "0.1.0", stdout: io.Discard}
		require.NoError(t, r.charts())
		require.Equal(t, helmOutput(t, "template", "shop", "../../charts/tandem"), helmOutput(t, "template", "shop", r.path("tandem-0.1.0.tgz")))
	})
}

func TestImages(t *testing.T) {
	t.Run("are left out without Docker", func(t *testing.T) {
		t.Setenv("PATH", t.TempDir())
		var out bytes.Buffer
		require.NoError(t, release{stdout: &out}.images())
		require.Equal(t, "There are no images, because Docker is not installed or does not answer.\n", out.String())
	})
}

func TestChecksums(t *testing.T) {
	t.Run("are those of every file", func(t *testing.T) {
		r := release{dist: t.TempDir()}
		require.NoError(t, os.WriteFile(r.path("b"), []byte("b"), 0o600))
		require.NoError(t, os.WriteFile(r.path("a"), nil, 0o600))
		require.NoError(t, r.checksums())
		sums, err := os.ReadFile(r.path("SHA256SUMS"))
		require.NoError(t, err)
		require.Equal(t, "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855  a\n"+
			"3e23e8160039594a33894f6564e1b1348bbd7a0088d42c4acb73eeaed59c009d  b\n", string(sums))
		check := exec.Command("sha256sum", "--check", "SHA256SUMS")
		check.Dir = filepath.Clean(r.dist)
		require.NoError(t, check.Run())
	})
}

// helmOutput returns what helm prints.
func helmOutput(t *testing.T, args ...string) string {
	t.Helper()
	var stderr bytes.Buffer
	command := exec.Command("helm", args...)
	command.Stderr = &stderr
	out, err := command.Output()
	require.NoError(t, err, "%s", &stderr)
	return string(out)
}
