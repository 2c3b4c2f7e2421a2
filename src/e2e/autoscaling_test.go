//go:build e2e

package e2e

import (
	"errors"
	"fmt"
	"testing"
	"time"
)

// verifyAutoscaling lets a HorizontalPodAutoscaler scale orders.
func verifyAutoscaling(t *testing.T, r *resilience) {
	r.verify(t, scenario{
		name:        "autoscaling of orders, up under load and down after it",
		requirement: "scales up and down, 0 failed, degraded or refused",
		run:         r.autoscale,
	})
}

// fastScaling is the behavior of an autoscaler that acts within seconds.
const fastScaling = `{"scaleUp": {"stabilizationWindowSeconds": 0},
	"scaleDown": {"stabilizationWindowSeconds": 5, "policies": [{"type": "Percent", "value": 100, "periodSeconds": 5}]}}`

// autoscale requires that an autoscaler adds pods under load and removes them after
// it, and that every request is successful.
func (r *resilience) autoscale() (string, error) {
	err := r.upgrade("orders", "orders",
		"--set=autoscaling.enabled=true", "--set=autoscaling.minReplicas=3", "--set=autoscaling.maxReplicas=5",
		"--set=autoscaling.targetCPUUtilizationPercentage=15", "--set-json=autoscaling.behavior="+fastScaling)
	if err != nil {
		return "", err
	}
	up, upErr := r.during(0, func() error {
		return inOrder(
			func() error { return r.waitForReplicas("orders", func(n int) bool { return n > 3 }) },
			r.waitForRollouts,
			func() error { time.Sleep(5 * time.Second); return nil }) // until the new pods receive requests
	})
	down, downErr := r.load.during(func() error {
		return inOrder(
			func() error { return r.waitForReplicas("orders", func(n int) bool { return n == 3 }) },
			func() error { return r.waitForPodCount("orders", 3) }) // the others have drained and are deleted
	}, rate(10), "-requests=10")
	unsuccessful := up.unsuccessful() + down.unsuccessful()
	return fmt.Sprintf("more than 3 pods, and all ready, after %.0f s of load (%v), 3 again %.0f s after it (%v)",
			up.Seconds, up, down.Seconds, down),
		errors.Join(upErr, downErr, r.restoreInstallation("orders"),
			require(unsuccessful == 0, "not all requests were successful: up %v; down %v", up, down))
}

// waitForReplicas waits until the number of a release's pods fulfils a condition.
func (n namespace) waitForReplicas(release string, condition func(int) bool) error {
	return eventually(3*time.Minute, func() error {
		pods, err := n.pods(release)
		if err == nil && !condition(len(pods)) {
			err = unmetError{fmt.Sprintf("%s has %d pods", release, len(pods))}
		}
		return err
	})
}
