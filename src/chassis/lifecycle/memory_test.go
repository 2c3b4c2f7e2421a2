package lifecycle

import (
	"context"
	"math"
	"os"
	"path/filepath"
	"runtime/debug"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/KimMachineGun/automemlimit/memlimit"
	"github.com/stretchr/testify/require"
)

// fakeCgroup is a folder with the memory.max of a container.
type fakeCgroup struct{ file string }

func newFakeCgroup(t *testing.T, limit string) fakeCgroup {
	t.Helper()
	before := debug.SetMemoryLimit(-1)
	t.Cleanup(func() { debug.SetMemoryLimit(before) })
	c := fakeCgroup{filepath.Join(t.TempDir(), "memory.max")}
	c.set(t, limit)
	return c
}

// set changes the limit in one step, as the kernel does.
func (c fakeCgroup) set(t *testing.T, limit string) {
	t.Helper()
	require.NoError(t, os.WriteFile(c.file+".next", []byte(limit+"\n"), 0o600))
	require.NoError(t, os.Rename(c.file+".next", c.file))
}

func (c fakeCgroup) limit() (uint64, error) {
	text, err := os.ReadFile(c.file)
	if err != nil {
		return 0, err
	}
	if limit := strings.TrimSpace(string(text)); limit != "max" {
		return strconv.ParseUint(limit, 10, 64)
	}
	return 0, memlimit.ErrNoLimit
}

func TestFollowMemoryLimit(t *testing.T) {
	const interval, patience = 2 * time.Millisecond, 20 * time.Second
	follow := func(t *testing.T, c fakeCgroup) {
		t.Helper()
		ctx, cancel := context.WithCancel(context.Background())
		t.Cleanup(cancel)
		followMemoryLimit(ctx, c.limit, interval)
	}
	becomes := func(t *testing.T, want int64) {
		t.Helper()
		require.Eventually(t, func() bool { return debug.SetMemoryLimit(-1) == want }, patience, interval, "%d", debug.SetMemoryLimit(-1))
	}

	t.Run("follows the limit of the container up and down", func(t *testing.T) {
		t.Setenv("GOMEMLIMIT", "")
		c := newFakeCgroup(t, "100000000")
		follow(t, c)
		require.EqualValues(t, 90_000_000, debug.SetMemoryLimit(-1), "at once")
		for limit, want := range map[string]int64{"200000000": 180_000_000, "50000000": 45_000_000} {
			c.set(t, limit)
			becomes(t, want)
		}
		c.set(t, "max")
		becomes(t, math.MaxInt64)
		c.set(t, "100000000")
		becomes(t, 90_000_000)
	})

	t.Run("keeps the last limit while it cannot be read", func(t *testing.T) {
		t.Setenv("GOMEMLIMIT", "")
		c := newFakeCgroup(t, "100000000")
		follow(t, c)
		c.set(t, "not a number")
		require.Never(t, func() bool { return debug.SetMemoryLimit(-1) != 90_000_000 }, 10*interval, interval)
		c.set(t, "200000000")
		becomes(t, 180_000_000)
	})

	t.Run("leaves the limit of GOMEMLIMIT alone", func(t *testing.T) {
		t.Setenv("GOMEMLIMIT", "123MiB")
		c := newFakeCgroup(t, "100000000")
		before := debug.SetMemoryLimit(-1) // the Go runtime has read the variable when the process started
		follow(t, c)
		c.set(t, "200000000")
		require.Never(t, func() bool { return debug.SetMemoryLimit(-1) != before }, 10*interval, interval)
	})

	t.Run("looks often enough", func(t *testing.T) {
		require.LessOrEqual(t, memoryLimitInterval, 10*time.Second, "Kubernetes takes some seconds of the fifteen")
	})
}
