//go:build e2e

package e2e

import (
	"errors"
	"fmt"
	"strconv"
	"testing"
)

// verifyOverload sends new orders at four times the rate that orders can store.
func verifyOverload(t *testing.T, r *resilience) {
	r.verify(t, scenario{
		name:        "4 × the orders that saturate it, each commit taking 0.1 s, connections kept",
		requirement: "goodput ≥ 80 % of its peak with p99 ≤ 3 × its p99, /health p99 ≤ 100 ms, 0 restarts",
		run:         func() (string, error) { return r.overload("8", 60) },
		controls: []control{{
			without: "the bound on requests in flight",
			// Without the bound, more requests share a commit, so it takes more clients to saturate.
			run: func() (string, error) { return r.overload("100000", 120) },
		}},
	})
}

// overload measures the peak goodput of new orders with some clients, and then the goodput
// under four times that rate. Slow commits and few requests in flight, which share them, make the
// database the bottleneck: if it were the processor, then on a small machine the load
// generator would compete with the pods.
func (r *resilience) overload(maxInFlight string, clients int) (measured string, err error) {
	if err := r.upgradeAndReplace("orders", "--set=config.maxInFlight="+maxInFlight); err != nil {
		return "", err
	}
	restarts, err := r.totalRestarts()
	if err != nil {
		return "", err
	}
	if err := r.setCommitDelay("100000"); err != nil {
		return "", err
	}
	peak, err := r.load.send(rate(0), fmt.Sprint("-clients=", clients), "-requests=2000", "-posts=100", "-new-connections=0")
	if err != nil {
		return "", errors.Join(err, r.setCommitDelay("0"))
	}
	const seconds = 10
	perSecond := int(4 * peak.goodput())
	report, health, err := r.measureHealthDuring(func() (loadReport, error) {
		return r.load.send(rate(perSecond), "-requests="+strconv.Itoa(seconds*perSecond), "-posts=100", "-new-connections=0")
	})
	if report.SendingSeconds > 1.05*seconds {
		err = errors.Join(err, fmt.Errorf("the load generator took %.1f s to send the requests of %d s", report.SendingSeconds, seconds))
	}
	restartsAfter, restartsErr := r.totalRestarts()
	share := report.goodput() / peak.goodput()
	return fmt.Sprintf("peak %.0f/s with p99 %.0f ms; of %d/s %.0f/s are answered (%.0f %%) with p99 %.0f ms, /health p99 %.0f ms; %v",
			peak.goodput(), peak.GoodP99, perSecond, report.goodput(), 100*share, report.GoodP99, health.P99, report),
		errors.Join(err, restartsErr, r.setCommitDelay("0"), r.restoreInstallation("orders"), r.waitUntilHealthy(),
			require(share >= 0.8, "goodput fell to %.0f %%", 100*share),
			require(report.GoodP99 <= 3*peak.GoodP99, "p99 of successful requests is %.0f ms", report.GoodP99),
			require(health.unsuccessful() == 0 && health.P99 <= 100, "/health: %v", health),
			require(restartsAfter == restarts, "there were %d restarts", restartsAfter-restarts))
}

// measureHealthDuring requests /health of orders twenty times per second while send
// runs.
func (r *resilience) measureHealthDuring(send func() (loadReport, error)) (report, health loadReport, err error) {
	end, err := r.load.start("-wait", "-path=/health", rate(20), "-requests=1", "-new-connections=100")
	if err != nil {
		return report, health, err
	}
	report, err = send()
	health, healthErr := end()
	return report, health, errors.Join(err, healthErr)
}
