package build_test

import (
	"runtime"
	"testing"

	"github.com/stretchr/testify/require"

	"tandem/src/chassis/build"
)

func TestForWithoutLinkerFlags(t *testing.T) {
	require.Equal(t, build.Info{
		Service: "users-service", Version: "dev", Commit: "unknown", Date: "unknown", Go: runtime.Version(),
	}, build.For("users-service"))
}
