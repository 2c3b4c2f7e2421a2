//go:build e2e

package e2e

import (
	"errors"
	"fmt"
	"regexp"
	"strconv"
	"sync"
	"testing"
)

// verifyFaults injects delays and errors into pods of users.
func verifyFaults(t *testing.T, r *resilience) {
	r.verify(t, scenario{
		name:         "every users pod takes 5 s to answer",
		requirement:  "reads degraded, orders refused, p99 ≤ 1 s; orders ready and not restarted",
		injectFaults: true,
		run: func() (measured string, err error) {
			err = r.withFault("users", "delay=5s", func() error {
				report, err := r.expectGracefulDegradation()
				measured = report.String()
				return err
			})
			return measured, errors.Join(err, r.waitUntilHealthy())
		},
		controls: []control{r.without("breaker and timeouts", "breaker", "USERS_TIMEOUT", "1m", "USERS_TRY_TIMEOUT", "1m")},
	})
	r.verify(t, scenario{
		name:         "one of three users pods takes 5 s to answer",
		requirement:  "p99 ≤ 2 × that without the fault or ≤ 100 ms, < 1 % not answered in full",
		injectFaults: true,
		run:          r.oneSlowPod,
		controls:     []control{r.without("ejection and regard for latency", "ejection,latency")},
	})
	r.verify(t, scenario{
		name:         "one of three users pods answers 500",
		requirement:  "< 1 % not answered in full",
		injectFaults: true,
		run: func() (string, error) {
			report, err := r.withFaultyPod(1, "status=500", 2*fewRequests)
			return report.String(), errors.Join(err, report.expectFewUnsuccessful())
		},
		controls: []control{r.without("retries and ejection", "retries,ejection")},
	})
	r.verify(t, scenario{
		name:         "every users pod answers 500",
		requirement:  "calls that reach users ÷ requests at orders ≤ 1.2",
		injectFaults: true,
		run:          func() (string, error) { return r.retryAmplification(1.2) },
		controls:     []control{r.without("retry budget and breaker", "budget,breaker")},
	})
	if controlsEnabled() {
		withoutBudget := r.without("retry budget", "budget,breaker")
		withoutBudget.run = func() (string, error) { return r.retryAmplification(1.3) }
		r.verify(t, scenario{
			name: "every users pod answers 500, and orders has no breaker",
			requirement: "calls that reach users ÷ requests at orders ≤ 1.3: 1.2 by the budget, " +
				"and ten free retries in ten seconds for each orders pod",
			injectFaults: true,
			run:          func() (string, error) { return r.retryAmplificationWithoutBreaker(1.3) },
			controls:     []control{withoutBudget},
		})
	}
}

// retryAmplificationWithoutBreaker is retryAmplification while the breaker of orders
// is disabled.
func (r *resilience) retryAmplificationWithoutBreaker(limit float64) (measured string, err error) {
	err = inOrder(
		func() error { return r.disableMechanisms("breaker") },
		func() (err error) { measured, err = r.retryAmplification(limit); return err })
	return measured, errors.Join(err, r.reset())
}

// oneSlowPod compares the latency with one slow pod of users to that without.
func (r *resilience) oneSlowPod() (string, error) {
	healthy, err := r.during(2*fewRequests, noop)
	if err != nil {
		return "", err
	}
	slow, err := r.withFaultyPod(0, "delay=5s", 2*manyRequests)
	return fmt.Sprintf("%v; without the fault p99 %.0f ms", slow, healthy.P99), errors.Join(err, slow.expectFewUnsuccessful(),
		require(slow.P99 <= max(2*healthy.P99, 100), "p99 is %.1f ms instead of %.1f ms", slow.P99, healthy.P99))
}

// withFaultyPod sends load to orders while one pod of users has a fault. It returns
// an error if that pod received no request.
func (r *resilience) withFaultyPod(index int, fault string, requests int) (report loadReport, err error) {
	pods, err := r.pods("users")
	if err != nil {
		return report, err
	}
	faulty := pods[index]
	received, err := r.userRequestsDuring(func() error {
		return r.throughPod(faulty, faultPort, func(s service) error {
			if err := s.setFault(fault); err != nil {
				return err
			}
			report, err = r.during(requests, noop)
			return errors.Join(err, s.setFault(""))
		})
	})
	if received[faulty.Metadata.Name] == 0 {
		err = errors.Join(err, errors.New("the pod with the fault received no request"))
	}
	return report, err
}

// retryAmplification makes every request of orders to users fail, and requires that
// the number of requests that users receives, divided by the number of requests that
// orders receives, does not exceed the limit.
func (r *resilience) retryAmplification(limit float64) (string, error) {
	var report loadReport
	received, err := r.userRequestsDuring(func() error {
		return r.withFault("users", "status=500", func() (err error) {
			report, err = r.during(2*fewRequests, noop)
			return err
		})
	})
	if err != nil {
		return "", err
	}
	var calls int
	for _, count := range received {
		calls += count
	}
	if calls == 0 {
		err = errors.Join(err, errors.New("users counted no request"))
	}
	factor := float64(calls) / float64(report.Sent)
	return fmt.Sprintf("%d calls for %d requests: %.2f", calls, report.Sent, factor),
		errors.Join(err, r.waitUntilHealthy(),
			require(report.unsuccessful() == report.Sent,
				"%d of %d requests were successful", report.Sent-report.unsuccessful(), report.Sent),
			require(factor <= limit, "there were %.2f calls per request", factor))
}

// userRequestsDuring returns the number of requests for a single user that each pod
// of users serves while do runs.
func (n namespace) userRequestsDuring(do func() error) (map[string]int, error) {
	before, err := n.userRequests()
	if err != nil {
		return nil, err
	}
	err = do()
	after, afterErr := n.userRequests()
	for pod := range after {
		after[pod] -= before[pod]
	}
	return after, errors.Join(err, afterErr)
}

// userRequestCount matches the lines of a pod's metrics that count requests for a
// single user.
var userRequestCount = regexp.MustCompile(`^http_server_request_duration_seconds_count\{.*http_route="/users/\{id\}".*\} (\d+)$`)

// userRequests returns the number of requests for a single user that each pod of
// users has served.
func (n namespace) userRequests() (map[string]int, error) {
	var mu sync.Mutex
	counts := map[string]int{}
	err := n.forEachPodByName("users", "5001", func(pod string, s service) error {
		return s.metricLines(func(line string) {
			mu.Lock()
			defer mu.Unlock()
			if found := userRequestCount.FindStringSubmatch(line); found != nil {
				count, _ := strconv.Atoi(found[1])
				counts[pod] += count
			} else {
				counts[pod] += 0 // adds an entry for a pod that has served none
			}
		})
	})
	return counts, err
}
