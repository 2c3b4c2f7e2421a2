package charttest

import (
	"os"
	"testing"

	"github.com/stretchr/testify/require"

	"tandem/src/charts/generate"
)

// The generated files of both charts come from the same source, so that a change
// always reaches both.
func TestGeneratedFiles(t *testing.T) {
	forEachChart(t, func(t *testing.T, c chart) {
		files, err := generate.Files(chartsRoot, c)
		require.NoError(t, err)
		for name, want := range files {
			path := chartFile(c.Name, name)
			got, err := os.ReadFile(path)
			require.NoError(t, err)
			require.Equal(t, want, string(got), "%s is outdated: run `make charts`", path)
		}
	})
}
