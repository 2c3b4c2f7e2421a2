//go:build e2e

package e2e

import (
	"errors"
	"fmt"
	"math"
	"testing"
	"time"
)

// verifyScaling changes the number of pods of users under keep-alive load.
func verifyScaling(t *testing.T, r *resilience) {
	r.verify(t, scenario{
		name:        "users scaled from 1 to 4, then to 2, under keep-alive load",
		requirement: "15 s later the busiest of the 4 pods is asked for ≤ 1.3 × the users of the idlest; 0 failed, degraded or refused",
		run: func() (string, error) {
			measured, report, err := r.scaleUnderLoad()
			return measured, errors.Join(err, report.expectNoneUnsuccessful())
		},
		controls: []control{r.withPlainClient("", "", func() (string, error) {
			measured, _, err := r.scaleUnderLoad()
			return measured, err
		})},
	})
	r.verify(t, scenario{
		name:        "users scaled from 1 to 4 while clients saturate orders",
		requirement: "15 s later the busiest of the 4 pods is asked for ≤ 1.5 × the users of the idlest",
		run:         r.scaleAtSaturation,
		controls:    []control{r.withPlainClient("", "", r.scaleAtSaturation)},
	})
}

// scaleAtSaturation scales users up while clients send each request as soon as they
// have a response, so that look-ups of users share calls.
func (r *resilience) scaleAtSaturation() (string, error) {
	if err := r.scale("users", 1); err != nil {
		return "", err
	}
	var ratio float64
	report, err := r.during(manyRequests, func() error {
		return inOrder(
			func() error { return r.scale("users", 4) },
			func() (err error) { ratio, err = r.busiestToIdlest(15*time.Second, 15*time.Second); return err })
	}, "-new-connections=0", "-posts=0", "-clients=64", rate(0))
	return fmt.Sprintf("%.2f; %v", ratio, report), errors.Join(err, r.scale("users", 3), requireEvenShares(ratio, 1.5))
}

func requireEvenShares(ratio, limit float64) error {
	return require(ratio <= limit, "the busiest pod is asked for %.2f times the users of the idlest", ratio)
}

// scaleUnderLoad scales users up and down, and requires that new pods receive their
// share of the calls.
func (r *resilience) scaleUnderLoad() (measured string, report loadReport, err error) {
	if err := r.scale("users", 1); err != nil {
		return "", report, err
	}
	var ratio float64
	report, err = r.during(manyRequests, func() error {
		return inOrder(
			func() error { return r.scale("users", 4) },
			func() (err error) { ratio, err = r.busiestToIdlest(15*time.Second, 15*time.Second); return err },
			func() error { return r.scale("users", 2) })
	}, "-new-connections=0", "-posts=0", rate(120))
	return fmt.Sprintf("%.2f; %v", ratio, report), report, errors.Join(err, r.scale("users", 3), requireEvenShares(ratio, 1.3))
}

// scale changes the number of a release's pods. It waits until they are ready and
// the others are deleted.
func (n namespace) scale(release string, replicas int) error {
	return inOrder(
		func() error {
			return n.kubectl("scale", "deployment", release, fmt.Sprint("--replicas=", replicas)).err
		},
		func() error { return n.kubectl("rollout", "status", "deployment/"+release, "--timeout=2m").err },
		func() error { return n.waitForPodCount(release, replicas) })
}

// waitForPodCount waits until a release has the number of pods, including those that
// are terminating.
func (n namespace) waitForPodCount(release string, count int) error {
	return eventually(time.Minute, func() error {
		pods := n.kubectl("get", "pods", "--selector="+serverSelector(release), "--output=jsonpath={range .items[*]}x{end}")
		if pods.err == nil && len(pods.stdout) != count {
			return fmt.Errorf("%s has %d pods", release, len(pods.stdout))
		}
		return pods.err
	})
}

// busiestToIdlest waits for a time in which every client must have resolved the new
// pods. Then it counts the users that each of the four pods is asked for during a
// duration, and returns the ratio of the highest to the lowest count.
func (r *resilience) busiestToIdlest(wait, duration time.Duration) (float64, error) {
	time.Sleep(wait) // the requirement allows 15 s
	received, err := r.userRequestsDuring(func() error { time.Sleep(duration); return nil })
	lowest, highest := math.Inf(1), 0.0
	for _, count := range received {
		lowest, highest = min(lowest, float64(count.ids)), max(highest, float64(count.ids))
	}
	if highest == 0 || len(received) != 4 {
		err = errors.Join(err, fmt.Errorf("the requests of each pod of users are %v", received))
	}
	return highest / max(lowest, 1), err
}
