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
		demand: "0 failed, p99 ≤ 1 s; without users reads degraded and orders refused (503, Retry-After), orders ready and not restarted; " +
			"all in full 5 s after users is back",
		run: r.away,
		// Neither breaker nor timeouts: where the name has no address nothing is called.
		controls: []control{r.without("lookups", "repeated look-ups of users")},
	})
}

// away takes users away and brings it back, all of it under load.
func (r *resilience) away() (string, error) {
	rate := "-rate=" + strconv.Itoa(gentle)
	going, err := r.during(few, func() error { return r.takeAway("users") }, rate)
	without, unbounded := r.bounded()
	coming, failed := r.during(few, func() error {
		return inOrder(
			func() error { return r.firstPodIsBack("users", 3) },
			func() error { time.Sleep(5 * time.Second); return nil }) // what is promised
	}, rate)
	back, broken := r.during(few, nothing)
	return fmt.Sprintf("going: %v; without users: %v; coming: %v; back: %v", going, without, coming, back), errors.Join(err, unbounded, failed, broken,
		demand(going.Failed+coming.Failed == 0, "%d failed while users went or came", going.Failed+coming.Failed),
		demand(max(going.P99, coming.P99) <= 1000, "p99 was %.0f and %.0f ms while users went and came", going.P99, coming.P99),
		demand(back.bad() == 0, "%d were not answered in full after users was back", back.bad()))
}

// bounded demands that without users every read is degraded and every order
// refused, soon, and that orders takes no harm.
func (r *resilience) bounded() (accounts, error) {
	before, err := r.restarts("orders")
	if err != nil {
		return accounts{}, err
	}
	sum, err := r.during(few, func() error { return r.steadyPods("orders", before) }, "-rate="+strconv.Itoa(gentle))
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
