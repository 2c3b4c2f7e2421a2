//go:build e2e

package e2e

import (
	"errors"
	"fmt"
	"strconv"
	"testing"
	"time"
)

// verifyFrozen freezes a pod of users, as a pause of its machine does: its connections
// stay open, and nothing responds.
func verifyFrozen(t *testing.T, r *resilience) {
	r.verify(t, scenario{
		name: "one of three users pods frozen for 20 s (SIGSTOP), and back",
		requirement: "0 failed, < 1 % degraded or refused; p99 ≤ 1 s while it is frozen, and ≤ 2 × that without or ≤ 100 ms after it; " +
			"no order stored twice",
		run:      r.freezeUnderLoad,
		controls: []control{r.without("ejection and regard for latency", "ejection,latency")},
	})
}

// freezeUnderLoad freezes a pod of users under load and continues it.
func (r *resilience) freezeUnderLoad() (string, error) {
	pods, err := r.pods("users")
	if err != nil || len(pods) == 0 {
		return "", errors.Join(err, errors.New("users has no pod"))
	}
	before, err := r.during(2*fewRequests, noop)
	if err != nil {
		return "", err
	}
	name := "f" + strconv.FormatInt(time.Now().UnixMilli(), 36)
	frozen, err := r.during(2*manyRequests/3, func() error {
		err := pods[0].forEachProcess("kill -STOP")
		time.Sleep(20 * time.Second)
		return err
	}, "-name="+name)
	err = errors.Join(err, pods[0].forEachProcess("kill -CONT"))
	after, afterErr := r.during(2*fewRequests, noop)
	var stored killReport
	return fmt.Sprintf("frozen: %v; after it: %v; without it p99 %.0f ms", frozen, after, before.P99),
		errors.Join(err, afterErr, r.countStoredOrders(name, &stored), r.waitUntilHealthy(),
			require(frozen.Failed+after.Failed == 0, "%d requests failed", frozen.Failed+after.Failed),
			frozen.expectFewUnsuccessful(), after.expectFewUnsuccessful(),
			require(frozen.P99 <= 1000, "p99 is %.0f ms while the pod is frozen", frozen.P99),
			require(after.P99 <= max(2*before.P99, 100), "p99 is %.0f ms after it, and was %.0f ms", after.P99, before.P99),
			require(stored.rows == stored.keys && stored.rows > 0, "%d orders are stored, of %d keys", stored.rows, stored.keys))
}
