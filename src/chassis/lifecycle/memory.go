package lifecycle

import (
	"context"
	"os"
	"time"

	"github.com/KimMachineGun/automemlimit/memlimit"
)

// memoryLimitRatio is Go's memory limit as a fraction of the container's. The rest
// is for memory outside the Go heap.
const memoryLimitRatio = 0.9

// memoryLimitInterval is the time between two looks at the container's memory limit,
// which Kubernetes can change while the pod runs
// (https://kubernetes.io/docs/tasks/configure-pod-container/resize-container-resources/).
const memoryLimitInterval = 5 * time.Second

// followMemoryLimit keeps Go's memory limit at memoryLimitRatio of what provider
// returns until ctx ends. If GOMEMLIMIT is set, it does nothing: a person has chosen
// another limit.
func followMemoryLimit(ctx context.Context, provider memlimit.Provider, interval time.Duration) {
	if os.Getenv("GOMEMLIMIT") != "" {
		return
	}
	// An empty variable counts as not set for Go, but as set for memlimit.
	_ = os.Unsetenv("GOMEMLIMIT") // fails only for an invalid name
	// The error means that there is no cgroup, as outside a container.
	_, _ = memlimit.Set(memlimit.WithRatio(memoryLimitRatio), memlimit.WithProvider(provider), memlimit.WithRefreshInterval(ctx, interval))
}
