//go:build e2e

package e2e

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
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
		controls: []control{
			r.without("ejection and regard for latency", "ejection,latency"),
			r.without("the bound on waiting for a call under way", "hold-bound"),
		},
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
		r.verifyAmplificationWithoutMechanisms(t)
	}
}

// verifyAmplificationWithoutMechanisms verifies the retry budget alone, and without
// shared look-ups, which make fewer calls of the same number of requests.
func (r *resilience) verifyAmplificationWithoutMechanisms(t *testing.T) {
	const withoutBreaker = "calls that reach users ÷ requests at orders ≤ 1.3: 1.2 by the budget, " +
		"and ten free retries in ten seconds for each orders pod"
	for _, s := range []struct {
		lacks, disabled    string
		limit              float64
		requirement        string
		without, alsoLacks string // of the control
	}{
		{"shares no look-ups", "sharing", 1.2, "calls that reach users ÷ requests at orders ≤ 1.2", "retry budget and breaker", ",breaker"},
		{"has no breaker", "breaker", 1.3, withoutBreaker, "retry budget", ""},
		{"has no breaker and shares no look-ups", "breaker,sharing", 1.3, withoutBreaker, "retry budget", ""},
	} {
		withoutBudget := r.without(s.without, "budget,"+s.disabled+s.alsoLacks)
		withoutBudget.run = func() (string, error) { return r.retryAmplification(s.limit) }
		r.verify(t, scenario{
			name:         "every users pod answers 500, and orders " + s.lacks,
			requirement:  s.requirement,
			injectFaults: true,
			run:          func() (string, error) { return r.retryAmplificationWithout(s.disabled, s.limit) },
			controls:     []control{withoutBudget},
		})
	}
}

// retryAmplificationWithout is retryAmplification while mechanisms of orders are
// disabled.
func (r *resilience) retryAmplificationWithout(mechanisms string, limit float64) (measured string, err error) {
	err = inOrder(
		func() error { return r.disableMechanisms(mechanisms) },
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
	if received[faulty.Metadata.Name].calls == 0 {
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
		calls += count.calls
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

// requestsOfOrders are what a pod of users has served for orders. A call is for one
// user, GET /users/{id}, or for several, GET /users?ids=….
type requestsOfOrders struct {
	calls int
	ids   int // of users in these calls; only those whose handler ran
}

// userRequestsDuring returns what each pod of users serves for orders while do runs.
func (n namespace) userRequestsDuring(do func() error) (map[string]requestsOfOrders, error) {
	before, err := n.userRequests()
	if err != nil {
		return nil, err
	}
	err = do()
	after, afterErr := n.userRequests()
	for pod, count := range after {
		after[pod] = requestsOfOrders{count.calls - before[pod].calls, count.ids - before[pod].ids}
	}
	return after, errors.Join(err, afterErr)
}

// userRequests returns what each pod of users has served for orders.
func (n namespace) userRequests() (map[string]requestsOfOrders, error) {
	var mu sync.Mutex
	counts := map[string]requestsOfOrders{}
	err := n.forEachPodByName("users", "5001", func(pod string, s service) error {
		var count requestsOfOrders
		err := s.metricLines(count.add)
		mu.Lock()
		defer mu.Unlock()
		counts[pod] = count
		return err
	})
	return counts, err
}

// add adds the requests that a line of a pod's metrics counts.
func (r *requestsOfOrders) add(line string) {
	if sum, ok := strings.CutPrefix(line, "users_ids_per_request_sum "); ok {
		ids, _ := strconv.ParseFloat(sum, 64)
		r.ids += int(ids)
	}
	found := requestCount.FindStringSubmatch(line)
	if found == nil || found[1] != "GET" {
		return
	}
	count, _ := strconv.Atoi(found[4])
	switch found[3] {
	case "/users":
		r.calls += count
	case "/users/{id}":
		r.calls += count
		r.ids += count
	}
}
