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

// faults makes pods of users slow or broken.
func faults(t *testing.T, r *resilience) {
	r.prove(t, scenario{
		name:   "every users pod takes 5 s to answer",
		demand: "reads degraded, orders refused, p99 ≤ 1 s; orders ready and not restarted",
		run: func() (measured string, err error) {
			err = r.under("users", "delay=5s", func() error {
				sum, err := r.bounded()
				measured = sum.String()
				return err
			})
			return measured, errors.Join(err, r.settled())
		},
		controls: []control{r.without("breaker", "breaker and timeouts", "USERS_TIMEOUT", "1m", "USERS_TRY_TIMEOUT", "1m")},
	})
	r.prove(t, scenario{
		name:     "one of three users pods takes 5 s to answer",
		demand:   "p99 ≤ 2 × that without the fault or ≤ 100 ms, < 1 % not answered in full",
		run:      r.slowOne,
		controls: []control{r.without("ejection,latency", "ejection and regard for latency")},
	})
	r.prove(t, scenario{
		name:   "one of three users pods answers 500",
		demand: "< 1 % not answered in full",
		run: func() (string, error) {
			sum, err := r.underOne(1, "status=500", 2*few)
			return sum.String(), errors.Join(err, sum.nearlyAll())
		},
		controls: []control{r.without("retries,ejection", "retries and ejection")},
	})
	r.prove(t, scenario{
		name:     "every users pod answers 500",
		demand:   "calls that reach users ÷ requests at orders ≤ 1.2",
		run:      func() (string, error) { return r.amplification(1.2) },
		controls: []control{r.without("budget,breaker", "retry budget and breaker")},
	})
	if withControls() {
		r.prove(t, scenario{
			name:     "every users pod answers 500, and orders has no breaker",
			demand:   "calls that reach users ÷ requests at orders ≤ 1.3: 1.2 by the budget, and ten free retries in ten seconds for each orders pod",
			run:      func() (string, error) { return r.withoutBreaker(1.3) },
			controls: []control{{without: "retry budget", off: r.without("budget,breaker", "").off, run: func() (string, error) { return r.amplification(1.3) }}},
		})
	}
}

// withoutBreaker is amplification while the breaker is off.
func (r *resilience) withoutBreaker(most float64) (measured string, err error) {
	err = inOrder(
		r.without("breaker", "").off,
		func() (err error) { measured, err = r.amplification(most); return err })
	return measured, errors.Join(err, r.reset())
}

// nearlyAll demands that less than one percent were not answered in full.
func (a accounts) nearlyAll() error {
	return demand(a.bad()*100 < a.Sent, "%d of %d were not answered in full", a.bad(), a.Sent)
}

// slowOne compares latency with and without a slow pod of users.
func (r *resilience) slowOne() (string, error) {
	healthy, err := r.during(2*few, nothing)
	if err != nil {
		return "", err
	}
	slow, err := r.underOne(0, "delay=5s", 2*some)
	return fmt.Sprintf("%v; without the fault p99 %.0f ms", slow, healthy.P99), errors.Join(err, slow.nearlyAll(),
		demand(slow.P99 <= max(2*healthy.P99, 100), "p99 is %.1f ms instead of %.1f ms", slow.P99, healthy.P99))
}

// underOne puts load on orders while a fault is on at one pod of users, which
// must get some of it.
func (r *resilience) underOne(which int, fault string, requests int) (sum accounts, err error) {
	pods, err := r.pods("users")
	if err != nil {
		return sum, err
	}
	faulty := pods[which]
	asked, err := r.askedDuring(func() error {
		return r.throughPod(faulty, faultPort, func(s service) error {
			if err := s.fault(fault); err != nil {
				return err
			}
			sum, err = r.during(requests, nothing)
			return errors.Join(err, s.fault(""))
		})
	})
	if asked[faulty.Metadata.Name] == 0 {
		err = errors.Join(err, errors.New("the pod with the fault was not asked"))
	}
	return sum, err
}

// amplification demands that no more calls reach users, for each request at orders,
// than so many.
func (r *resilience) amplification(most float64) (string, error) {
	var sum accounts
	asked, err := r.askedDuring(func() error {
		return r.under("users", "status=500", func() (err error) {
			sum, err = r.during(2*few, nothing)
			return err
		})
	})
	if err != nil {
		return "", err
	}
	var calls int
	for _, count := range asked {
		calls += count
	}
	if calls == 0 {
		err = errors.Join(err, errors.New("no call was counted"))
	}
	factor := float64(calls) / float64(sum.Sent)
	return fmt.Sprintf("%d calls for %d requests: %.2f", calls, sum.Sent, factor),
		errors.Join(err, r.settled(), demand(sum.bad() == sum.Sent, "%d of %d were answered in full", sum.Sent-sum.bad(), sum.Sent), demand(factor <= most, "there were %.2f calls per request", factor))
}

// askedDuring is how many requests for one user each pod of users answers while
// something is done.
func (n namespace) askedDuring(do func() error) (map[string]int, error) {
	before, err := n.asked()
	if err != nil {
		return nil, err
	}
	err = do()
	after, failed := n.asked()
	for pod := range after {
		after[pod] -= before[pod]
	}
	return after, errors.Join(err, failed)
}

// oneUser is a line of a pod's metrics that counts requests for one user.
var oneUser = regexp.MustCompile(`^http_server_request_duration_seconds_count\{.*http_route="/users/\{id\}".*\} (\d+)$`)

// asked is how many requests for one user each pod of users has answered.
func (n namespace) asked() (map[string]int, error) {
	var mu sync.Mutex
	counts := map[string]int{}
	err := n.eachPodNamed("users", "5001", func(pod string, s service) error {
		return s.metricLines(func(line string) {
			mu.Lock()
			defer mu.Unlock()
			if found := oneUser.FindStringSubmatch(line); found != nil {
				count, _ := strconv.Atoi(found[1])
				counts[pod] += count
			} else {
				counts[pod] += 0 // one that was not asked yet counts, too
			}
		})
	})
	return counts, err
}
