//go:build e2e

package e2e

import (
	"errors"
	"fmt"
	"strconv"
	"testing"
	"time"
)

// outages takes all pods of users away.
func outages(t *testing.T, r *resilience) {
	r.prove(t, scenario{
		name: "users scaled to 0, and back to 3",
		demand: "meanwhile reads degraded, orders refused (503, Retry-After) with p99 ≤ 1 s, orders ready and not restarted; " +
			"0 failed 5 s after users is back",
		run: func() (string, error) {
			if err := r.takeAway("users"); err != nil {
				return "", err
			}
			away, err := r.bounded()
			if err := r.firstPodIsBack("users", 3); err != nil {
				return away.String(), err
			}
			time.Sleep(5 * time.Second) // what is promised
			back, failed := r.during(few, nothing)
			return fmt.Sprintf("%v; back: %v", away, back),
				errors.Join(err, failed, demand(back.bad() == 0, "%d were not answered in full after users was back", back.bad()))
		},
		// Neither breaker nor timeouts: where the name has no address nothing is called.
		controls: []control{r.without("lookups", "repeated look-ups of users")},
	})
}

// bounded demands that without users every read is degraded and every order
// refused, soon, and that orders takes no harm.
func (r *resilience) bounded() (accounts, error) {
	before, err := r.restarts("orders")
	if err != nil {
		return accounts{}, err
	}
	sum, err := r.during(2*few, func() error { return r.steadyPods("orders", before) }, "-rate="+strconv.Itoa(gentle))
	if err != nil {
		return sum, err
	}
	return sum, errors.Join(
		demand(sum.Failed == 0, "%d failed", sum.Failed),
		demand(sum.Refused == sum.Orders && len(sum.Created) == 0, "of %d orders %d were refused", sum.Orders, sum.Refused),
		demand(sum.Degraded == sum.Sent-sum.Orders, "of %d reads %d were degraded", sum.Sent-sum.Orders, sum.Degraded),
		demand(sum.P99 <= 1000 && sum.OrdersP99 <= 1000, "p99 is %.0f ms, that of orders %.0f ms", sum.P99, sum.OrdersP99),
		r.steadyPods("orders", before))
}

// firstPodIsBack gives a release its pods again, and waits for the first.
func (n namespace) firstPodIsBack(release string, replicas int) error {
	return inOrder(
		func() error {
			return n.kubectl("scale", "deployment", release, fmt.Sprint("--replicas=", replicas)).err
		},
		func() error {
			return eventually(time.Minute, func() error {
				ready := n.kubectl("get", "deployment", release, "--output=jsonpath={.status.readyReplicas}")
				if ready.err == nil && ready.text == "" {
					return errors.New("no pod of " + release + " is ready")
				}
				return ready.err
			})
		})
}
