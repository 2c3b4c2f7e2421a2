//go:build images

package charttest

import (
	"compress/gzip"
	"encoding/json"
	"io"
	"os/exec"
	"regexp"
	"testing"

	"github.com/stretchr/testify/require"
)

const megabyte = 1_000_000

// The images that the charts name by default, as `make images` has built them.
func TestImagesAreSmallAndHoldTheBinaryAlone(t *testing.T) {
	for _, c := range bothCharts() {
		image := "tandem/" + c.Name + ":" + read(t, c.Name).AppVersion
		var about struct {
			Size   int
			Config struct {
				User       string
				Entrypoint []string
				Labels     map[string]string
			}
		}
		out, err := exec.Command("docker", "image", "inspect", "--format", "{{json .}}", image).Output()
		require.NoError(t, err, image)
		require.NoError(t, json.Unmarshal(out, &about))
		require.Regexp(t, regexp.MustCompile(`^[1-9][0-9]*(:[0-9]+)?$`), about.Config.User, "the kubelet can tell only of a number that it is not root")
		require.Equal(t, []string{"/" + c.Name}, about.Config.Entrypoint)
		for _, label := range []string{"title", "description", "licenses", "version", "revision", "created"} {
			require.NotEmpty(t, about.Config.Labels["org.opencontainers.image."+label], label)
		}
		require.LessOrEqual(t, about.Size, 30*megabyte)
		require.LessOrEqual(t, compressedSize(t, image), 12*megabyte)

		require.NoError(t, exec.Command("docker", "run", "--rm", image, "-h").Run())
		for _, shell := range []string{"/bin/sh", "/bin/bash", "/bin/busybox"} {
			require.Error(t, exec.Command("docker", "run", "--rm", "--entrypoint", shell, image, "-c", "true").Run(), shell)
		}
	}
}

func compressedSize(t *testing.T, image string) int {
	t.Helper()
	save := exec.Command("docker", "save", image)
	layers, err := save.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, save.Start())
	var size counter
	compressed := gzip.NewWriter(&size)
	_, err = io.Copy(compressed, layers)
	require.NoError(t, err)
	require.NoError(t, compressed.Close())
	require.NoError(t, save.Wait())
	return int(size)
}

// counter counts what is written to it.
type counter int

func (c *counter) Write(p []byte) (int, error) {
	*c += counter(len(p))
	return len(p), nil
}
