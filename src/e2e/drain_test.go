//go:build e2e

package e2e

import (
	"errors"
	"fmt"
	"regexp"
	"testing"
)

// verifyDrain drains a worker.
func verifyDrain(t *testing.T, r *resilience) {
	r.verify(t, scenario{
		name:        "`kubectl drain` of a worker with two users pods",
		requirement: "0 failed, degraded or refused; the disruption budget holds back the second eviction",
		run: func() (string, error) {
			measured, blocked, err := r.drain()
			return measured, errors.Join(err, require(blocked > 0, "the disruption budget blocked no eviction"))
		},
		controls: []control{r.withoutDisruptionBudget()},
	})
}

// drain drains a worker with two or more pods of users under load, and requires that
// every request is successful. It also returns how often an eviction was blocked.
func (r *resilience) drain() (measured string, blocked int, err error) {
	node, pods, err := r.nodeWithMostPods("users")
	if err == nil && pods < 2 {
		err = errors.New("no worker has two pods of users")
	}
	if err != nil {
		return "", 0, err
	}
	report, err := r.during(manyRequests, func() error {
		drained := run("bash", "-c", "kubectl drain "+node+" --ignore-daemonsets --delete-emptydir-data --timeout=3m 2>&1")
		blocked = len(blockedEviction.FindAllString(drained.stdout, -1))
		return inOrder(func() error { return drained.err }, r.waitForRollouts)
	}, rate(lowRate))
	return fmt.Sprintf("%v; held back %d times", report, blocked), blocked,
		errors.Join(err, kubectl("uncordon", node).err, report.expectNoneUnsuccessful())
}

// blockedEviction matches kubectl's message for an eviction of users that the
// disruption budget blocks.
var blockedEviction = regexp.MustCompile(`pods/"users-.*would violate the pod's disruption budget`)

// noSpread are topology spread constraints that allow all pods on one worker.
const noSpread = `[{"maxSkew": 9, "topologyKey": "kubernetes.io/hostname", "whenUnsatisfiable": "ScheduleAnyway", "labelSelector": {}}]`

// withoutDisruptionBudget is the control with all pods of users on one worker and
// without a disruption budget.
func (r *resilience) withoutDisruptionBudget() control {
	return control{
		without: "disruption budget and spread",
		disable: func() error {
			node, _, err := r.nodeWithMostPods("users")
			if err != nil {
				return err
			}
			others, err := otherWorkers(node)
			return inOrder(
				func() error { return err },
				func() error { return kubectl(append([]string{"cordon"}, others...)...).err },
				func() error {
					return r.upgradeAndReplace("users", "--set=podDisruptionBudget.enabled=false",
						"--set-json=podAnnotations="+`{"on-one-worker": "true"}`, "--set-json=topologySpreadConstraints="+noSpread)
				},
				func() error { return kubectl(append([]string{"uncordon"}, others...)...).err })
		},
		run: func() (string, error) { measured, _, err := r.drain(); return measured, err },
	}
}
