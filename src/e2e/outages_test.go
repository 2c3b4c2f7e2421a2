//go:build e2e

package e2e

import (
	"errors"
	"fmt"
	"testing"
	"time"
)

// verifyOutages removes all pods of users.
func verifyOutages(t *testing.T, r *resilience) {
	r.verify(t, scenario{
		name: "users scaled to 0, and back to 3",
		requirement: "0 failed, p99 ≤ 1 s; without users reads degraded and orders refused (503, Retry-After), " +
			"orders ready and not restarted; all in full 5 s after users is back",
		run: r.usersOutage,
		// Disabling the breaker or the timeouts would change nothing: orders does not
		// call users while the name has no address.
		controls: []control{r.without("repeated look-ups of users", "lookups")},
	})
}

// usersOutage scales users to zero and back to three under load.
func (r *resilience) usersOutage() (string, error) {
	scalingDown, downErr := r.during(fewRequests, func() error { return r.scaleToZero("users") }, rate(lowRate))
	without, withoutErr := r.expectGracefulDegradation()
	scalingUp, upErr := r.during(fewRequests, func() error {
		return inOrder(
			func() error { return r.scaleUntilFirstReady("users", 3) },
			func() error { time.Sleep(5 * time.Second); return nil }) // the requirement allows 5 s
	}, rate(lowRate))
	after, afterErr := r.during(fewRequests, noop)
	return fmt.Sprintf("going: %v; without users: %v; coming: %v; back: %v", scalingDown, without, scalingUp, after),
		errors.Join(downErr, withoutErr, upErr, afterErr,
			require(scalingDown.Failed == 0, "%d requests failed while users was scaled down", scalingDown.Failed),
			require(scalingUp.Failed == 0, "%d requests failed while users was scaled up", scalingUp.Failed),
			require(scalingDown.P99 <= 1000, "p99 was %.0f ms while users was scaled down", scalingDown.P99),
			require(scalingUp.P99 <= 1000, "p99 was %.0f ms while users was scaled up", scalingUp.P99),
			after.expectNoneUnsuccessful())
}

// expectGracefulDegradation sends load while users does not work. It requires that
// every read is degraded and every new order refused, with p99 up to one second,
// and that orders stays ready without a restart.
func (r *resilience) expectGracefulDegradation() (loadReport, error) {
	before, err := r.restarts("orders")
	if err != nil {
		return loadReport{}, err
	}
	report, err := r.during(fewRequests, func() error { return r.expectReadyWithoutRestarts("orders", before) }, rate(lowRate))
	if err != nil {
		return report, err
	}
	return report, errors.Join(
		require(report.Failed == 0, "%d requests failed", report.Failed),
		require(report.Refused == report.Orders && len(report.Created) == 0,
			"of %d new orders %d were refused", report.Orders, report.Refused),
		require(report.Degraded == report.Sent-report.Orders, "of %d reads %d were degraded", report.Sent-report.Orders, report.Degraded),
		require(report.P99 <= 1000 && report.OrdersP99 <= 1000, "p99 is %.0f ms, that of new orders %.0f ms", report.P99, report.OrdersP99),
		r.expectReadyWithoutRestarts("orders", before))
}

// scaleUntilFirstReady scales a release and waits until its first pod is ready.
func (n namespace) scaleUntilFirstReady(release string, replicas int) error {
	return inOrder(
		func() error {
			return n.kubectl("scale", "deployment", release, fmt.Sprint("--replicas=", replicas)).err
		},
		func() error {
			return eventually(time.Minute, func() error {
				ready := n.kubectl("get", "deployment", release, "--output=jsonpath={.status.readyReplicas}")
				if ready.err == nil && ready.stdout == "" {
					return errors.New("no pod of " + release + " is ready")
				}
				return ready.err
			})
		})
}
