//go:build e2e

package e2e

import (
	"errors"
	"fmt"
	"runtime"
	"slices"
	"strconv"
	"testing"
)

// overload sends four times what the pair can answer.
func overload(t *testing.T, r *resilience) {
	r.prove(t, scenario{
		name:     "4 × the load that saturates it",
		demand:   "goodput ≥ 80 % of its peak, /health ≤ 100 ms, 0 restarts",
		run:      r.flood,
		controls: []control{r.unlimited()},
	})
}

// flood measures the most that is answered, and then what is under four times
// that. The pods have a core to themselves meanwhile, or else the load would take
// from them what it measures.
func (r *resilience) flood() (measured string, err error) {
	before, err := r.restartsOfBoth()
	if err != nil {
		return "", err
	}
	if err := r.apart(); err != nil {
		return "", err
	}
	peak, err := r.load.send("-rate=0", "-callers=64", "-requests=6000", "-fresh=0")
	if err != nil {
		return "", err
	}
	rate := int(4 * peak.good())
	sum, health, err := r.healthDuring(func() (accounts, error) {
		return r.load.send("-rate="+strconv.Itoa(rate), "-requests="+strconv.Itoa(10*rate), "-fresh=0")
	})
	after, failed := r.restartsOfBoth()
	share := sum.good() / peak.good()
	return fmt.Sprintf("peak %.0f/s; at %d/s %.0f/s (%.0f %%), /health p99 %.0f ms; %v", peak.good(), rate, sum.good(), 100*share, health.P99, sum),
		errors.Join(err, failed, r.together(), r.settled(),
			demand(share >= 0.8, "goodput fell to %.0f %%", 100*share),
			demand(health.Failed == 0 && health.P99 <= 100, "/health took %.0f ms", health.P99),
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

// apart leaves the first core to the pods of both releases, and the others to
// the load.
func (r *resilience) apart() error {
	r.load.prefix = fmt.Sprintf("taskset %x ", 1<<runtime.NumCPU()-2)
	return r.pin("0")
}

// together lets everything use every core.
func (r *resilience) together() error {
	r.load.prefix = ""
	return r.pin(fmt.Sprintf("0-%d", runtime.NumCPU()-1))
}

// pin has the processes of both releases use some cores alone.
func (r *resilience) pin(cores string) error {
	users, err := r.pods("users")
	orders, failed := r.pods("orders")
	err = errors.Join(err, failed)
	for _, p := range slices.Concat(users, orders) {
		err = errors.Join(err, p.onProcesses("taskset --all-tasks --cpu-list --pid "+cores))
	}
	return err
}

// unlimited is the control that lets any number of requests in.
func (r *resilience) unlimited() control {
	set := func(most string) func() error {
		return func() error {
			return r.untilReplaced("orders", func() error { return r.upgrade("orders", "orders", "--set=config.maxInFlight="+most) })
		}
	}
	return control{"the bound on requests in flight", set("100000"), set("128")}
}
