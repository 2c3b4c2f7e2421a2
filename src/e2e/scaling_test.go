//go:build e2e

package e2e

import (
	"errors"
	"fmt"
	"math"
	"testing"
	"time"
)

// scaling changes the number of users' pods while callers keep their connections.
func scaling(t *testing.T, r *resilience) {
	r.prove(t, scenario{
		name:     "users scaled from 1 to 4, then to 2, under keep-alive load",
		demand:   "15 s later the busiest of the 4 pods has ≤ 1.3 × the calls of the idlest; 0 failed or degraded",
		run:      r.shares,
		controls: []control{r.plainClient()},
	})
}

func (r *resilience) shares() (string, error) {
	if err := r.scale("users", 1); err != nil {
		return "", err
	}
	var share float64
	sum, err := r.during(some, func() error {
		return inOrder(
			func() error { return r.scale("users", 4) },
			func() (err error) { share, err = r.shareAfter(15*time.Second, 20*time.Second); return err },
			func() error { return r.scale("users", 2) })
	}, "-fresh=0", "-posts=0", "-rate=120")
	return fmt.Sprintf("%.2f; %v", share, sum), errors.Join(err, r.scale("users", 3),
		demand(share <= 1.3, "the busiest pod has %.2f times the calls of the idlest", share),
		demand(sum.bad() == 0, "%d were not answered in full", sum.bad()))
}

// scale changes the number of a release's pods and waits until they are ready,
// and those too many gone.
func (n namespace) scale(release string, replicas int) error {
	return inOrder(
		func() error {
			return n.kubectl("scale", "deployment", release, fmt.Sprint("--replicas=", replicas)).err
		},
		func() error { return n.kubectl("rollout", "status", "deployment/"+release, "--timeout=2m").err },
		func() error {
			return eventually(time.Minute, func() error {
				pods := n.kubectl("get", "pods", "--selector="+servers(release), "--output=jsonpath={range .items[*]}x{end}")
				if pods.err == nil && len(pods.text) != replicas {
					return fmt.Errorf("%s has %d pods", release, len(pods.text))
				}
				return pods.err
			})
		})
}

// shareAfter waits until every client may have learned of new pods, and then
// compares the calls that the busiest and the idlest of users get in some time.
func (r *resilience) shareAfter(wait, during time.Duration) (float64, error) {
	time.Sleep(wait) // what is promised
	before, err := r.asked()
	if err != nil {
		return 0, err
	}
	time.Sleep(during)
	after, err := r.asked()
	least, most := math.Inf(1), 0.0
	for pod, count := range after {
		calls := float64(count - before[pod])
		least, most = min(least, calls), max(most, calls)
	}
	if most == 0 {
		err = errors.Join(err, errors.New("no call was counted"))
	}
	return most / max(least, 1), err
}
