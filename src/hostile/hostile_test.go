package main

import (
	"os"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"tandem/src/testkit/postgrestest"
)

// TestRun is the command on a small scale. How long ordinary requests take is not
// compared, because other tests use the processors at the same time.
func TestRun(t *testing.T) {
	t.Run("slow clients hurt nobody else", func(t *testing.T) {
		_, err := postgrestest.Programs()
		if err != nil && os.Getenv("CI") == "true" {
			t.Fatal(err)
		}
		var out strings.Builder
		failed, err := run(t.Context(), options{
			clients: 60, duration: 2 * time.Second, rate: 25, together: true, postgres: err == nil,
			p99: 5 * time.Second, health: 5 * time.Second, stop: 10 * time.Second,
			env: []string{"MAX_CONNECTIONS=300"}, // fewer than the slow clients
		}, &out)
		require.NoError(t, err, out.String())
		require.Zero(t, failed, out.String())
		t.Log(out.String())
	})
}
