package charttest

import (
	"flag"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
)

var update = flag.Bool("update", false, "write the generated files instead of comparing them")

// Values, also those for production, schema and README of both charts come from one source, so that a
// change cannot reach one of them alone.
func TestGeneratedFilesAreCurrent(t *testing.T) {
	for _, c := range bothCharts() {
		files, err := generate(c)
		require.NoError(t, err)
		for name, want := range files {
			path := filepath.Join("../../charts", c.Name, name)
			if *update {
				require.NoError(t, os.WriteFile(path, []byte(want), 0o644))
			}
			got, err := os.ReadFile(path)
			require.NoError(t, err)
			require.Equal(t, want, string(got), "%s is stale: run `make charts`", path)
		}
	}
}
