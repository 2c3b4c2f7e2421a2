//go:build e2e

package e2e

import (
	"errors"
	"fmt"
	"testing"
	"time"
)

// autoscaling lets HorizontalPodAutoscalers choose the number of pods.
func autoscaling(t *testing.T, r *resilience) {
	r.prove(t, scenario{
		name:   "autoscaling of orders, up under load and down after it",
		demand: "scales up and down, 0 failed, degraded or refused",
		run:    r.upAndDown,
	})
}

// briskly has the autoscaler act soon.
const briskly = `{"scaleUp": {"stabilizationWindowSeconds": 0}, "scaleDown": {"stabilizationWindowSeconds": 5, "policies": [{"type": "Percent", "value": 100, "periodSeconds": 5}]}}`

// upAndDown demands that an autoscaler adds pods under load, takes them away after
// it, and that no request notices.
func (r *resilience) upAndDown() (string, error) {
	err := r.upgrade("orders", "orders", "--set=autoscaling.enabled=true", "--set=autoscaling.minReplicas=3", "--set=autoscaling.maxReplicas=5",
		"--set=autoscaling.targetCPUUtilizationPercentage=15", "--set-json=autoscaling.behavior="+briskly)
	if err != nil {
		return "", err
	}
	up, err := r.during(0, func() error {
		return inOrder(
			func() error { return r.replicasBecome("orders", func(n int) bool { return n > 3 }) },
			r.ready,
			func() error { time.Sleep(5 * time.Second); return nil }) // until the new pods have their share
	})
	down, failed := r.load.during(func() error {
		return inOrder(
			func() error { return r.replicasBecome("orders", func(n int) bool { return n == 3 }) },
			func() error { return r.podsBecome("orders", 3) }) // the others have drained, and gone
	}, "-rate=10", "-requests=10")
	return fmt.Sprintf("more than 3 pods, and all ready, after %.0f s of load (%v), 3 again %.0f s after it (%v)", up.Seconds, up, down.Seconds, down), errors.Join(err, failed,
		r.asInstalled("orders"),
		demand(up.bad()+down.bad() == 0, "%d were not answered in full", up.bad()+down.bad()))
}

// replicasBecome waits until the number of a release's pods is as it has to be.
func (n namespace) replicasBecome(release string, right func(int) bool) error {
	return eventually(3*time.Minute, func() error {
		pods, err := n.pods(release)
		if err == nil && !right(len(pods)) {
			err = unmet{fmt.Sprintf("%s has %d pods", release, len(pods))}
		}
		return err
	})
}
