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
		name:   "users scaled from 1 to 4, then to 2, under keep-alive load",
		demand: "15 s later the busiest of the 4 pods has ≤ 1.3 × the calls of the idlest; 0 failed, degraded or refused",
		run: func() (string, error) {
			measured, bad, err := r.shares()
			return measured, errors.Join(err, demand(bad == 0, "%d were not answered in full", bad))
		},
		controls: []control{r.plainClient("", "", func() (string, error) { measured, _, err := r.shares(); return measured, err })},
	})
}

// shares demands that new pods of users get their share of the calls, and says
// how many requests were not answered in full.
func (r *resilience) shares() (measured string, bad int, err error) {
	if err := r.scale("users", 1); err != nil {
		return "", 0, err
	}
	var share float64
	sum, err := r.during(some, func() error {
		return inOrder(
			func() error { return r.scale("users", 4) },
			func() (err error) { share, err = r.shareAfter(15*time.Second, 15*time.Second); return err },
			func() error { return r.scale("users", 2) })
	}, "-fresh=0", "-posts=0", "-rate=120")
	return fmt.Sprintf("%.2f; %v", share, sum), sum.bad(), errors.Join(err, r.scale("users", 3),
		demand(share <= 1.3, "the busiest pod has %.2f times the calls of the idlest", share))
}

// scale changes the number of a release's pods and waits until they are ready,
// and those too many gone.
func (n namespace) scale(release string, replicas int) error {
	return inOrder(
		func() error {
			return n.kubectl("scale", "deployment", release, fmt.Sprint("--replicas=", replicas)).err
		},
		func() error { return n.kubectl("rollout", "status", "deployment/"+release, "--timeout=2m").err },
		func() error { return n.podsBecome(release, replicas) })
}

// podsBecome waits until a release has so many pods that serve, those that are to
// go among them.
func (n namespace) podsBecome(release string, number int) error {
	return eventually(time.Minute, func() error {
		pods := n.kubectl("get", "pods", "--selector="+servers(release), "--output=jsonpath={range .items[*]}x{end}")
		if pods.err == nil && len(pods.text) != number {
			return fmt.Errorf("%s has %d pods", release, len(pods.text))
		}
		return pods.err
	})
}

// shareAfter waits until every client may have learned of new pods, and then
// compares the calls that the busiest and the idlest of users get in some time.
func (r *resilience) shareAfter(wait, during time.Duration) (float64, error) {
	time.Sleep(wait) // what is promised
	asked, err := r.askedDuring(func() error { time.Sleep(during); return nil })
	least, most := math.Inf(1), 0.0
	for _, count := range asked {
		least, most = min(least, float64(count)), max(most, float64(count))
	}
	if most == 0 || len(asked) != 4 {
		err = errors.Join(err, fmt.Errorf("the pods of users were asked %v times", asked))
	}
	return most / max(least, 1), err
}
