//go:build e2e

package e2e

import (
	"errors"
	"fmt"
	"strconv"
	"testing"
)

// overload sends four times what the pair can store.
func overload(t *testing.T, r *resilience) {
	r.prove(t, scenario{
		name:     "4 × the orders that saturate it, each commit taking 0.1 s, connections kept",
		demand:   "goodput ≥ 80 % of its peak with p99 ≤ 3 × its p99, /health p99 ≤ 100 ms, 0 restarts",
		run:      r.flood,
		controls: []control{r.unlimited()},
	})
}

// flood measures the most that is answered, and then what is under four times
// that. The database is what saturates: were it the processor, then on a small
// machine the load would take from the pods what it measures.
func (r *resilience) flood() (measured string, err error) {
	before, err := r.restartsOfBoth()
	if err != nil {
		return "", err
	}
	if err := r.commitDelay("100000"); err != nil {
		return "", err
	}
	peak, err := r.load.send("-rate=0", "-callers=60", "-requests=2000", "-posts=100", "-fresh=0")
	if err != nil {
		return "", errors.Join(err, r.commitDelay("0"))
	}
	const seconds = 10
	rate := int(4 * peak.good())
	sum, health, err := r.healthDuring(func() (accounts, error) {
		return r.load.send("-rate="+strconv.Itoa(rate), "-requests="+strconv.Itoa(seconds*rate), "-posts=100", "-fresh=0")
	})
	if sum.Sending > 1.05*seconds {
		err = errors.Join(err, fmt.Errorf("it took %.1f s to send what was to be sent in %d s", sum.Sending, seconds))
	}
	after, failed := r.restartsOfBoth()
	share := sum.good() / peak.good()
	return fmt.Sprintf("peak %.0f/s with p99 %.0f ms; of %d/s %.0f/s are answered (%.0f %%) with p99 %.0f ms, /health p99 %.0f ms; %v",
			peak.good(), peak.GoodP99, rate, sum.good(), 100*share, sum.GoodP99, health.P99, sum),
		errors.Join(err, failed, r.commitDelay("0"), r.settled(),
			demand(share >= 0.8, "goodput fell to %.0f %%", 100*share),
			demand(sum.GoodP99 <= 3*peak.GoodP99, "p99 of what was answered is %.0f ms", sum.GoodP99),
			demand(health.bad() == 0 && health.P99 <= 100, "of /health: %v", health),
			demand(after == before, "there were %d restarts", after-before))
}

// healthDuring asks orders how it is, twenty times a second, while load is sent.
func (r *resilience) healthDuring(send func() (accounts, error)) (sum, health accounts, err error) {
	end, err := r.load.start("-wait", "-path=/health", "-rate=20", "-requests=1", "-fresh=100")
	if err != nil {
		return sum, health, err
	}
	sum, err = send()
	health, failed := end()
	return sum, health, errors.Join(err, failed)
}

// unlimited is the control that lets any number of requests in.
func (r *resilience) unlimited() control {
	return control{
		without: "the bound on requests in flight",
		off:     func() error { return r.change("orders", "--set=config.maxInFlight=100000") },
	}
}
