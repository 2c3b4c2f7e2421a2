//go:build e2e

package e2e

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"testing"
	"time"

	"tandem/src/e2e/results"
)

// TestResilience lets things happen to three pods of each service on PostgreSQL
// while load goes to orders, and accounts for every request. Each group can run
// alone: `make e2e E2E_RUN=TestResilience/nodes`.
func TestResilience(t *testing.T) {
	must(t, "nothing of the tests before is still going, and every worker is there", func() error {
		return inOrder(othersGone, startWorkers, func() error { return kubectl("uncordon", "--selector="+worker).err })
	})
	n := newNamespace(t, "resilience")
	must(t, "PostgreSQL and metrics-server install", func() error {
		return atOnce(
			func() error { return run("k8s/postgres/install.sh", string(n)).err },
			func() error { return run("k8s/metrics-server/install.sh").err })
	})
	must(t, "users and orders install with three pods each", func() error {
		return atOnce(func() error { return n.installThree("users") }, func() error { return n.installThree("orders") })
	})
	r := &resilience{namespace: n, requests: requests()}
	must(t, "a pod is there that makes load", func() (err error) { r.load, err = n.newGenerator(); return err })
	for _, group := range []struct {
		name   string
		proves func(*testing.T, *resilience)
	}{
		{"rollouts", rollouts},
		{"outages", outages},
		{"faults", faults},
		{"scaling", scaling},
		{"durability", durability},
		{"overload", overload},
		{"autoscaling", autoscaling},
		{"nodes", nodes},
	} {
		t.Run(group.name, func(t *testing.T) { group.proves(t, r) })
	}
}

// othersGone waits until the namespaces of earlier tests have gone.
func othersGone() error {
	return eventually(2*time.Minute, func() error {
		going := kubectl("get", "namespaces", "--selector="+mark, "--field-selector=status.phase=Terminating", "--output=name")
		if going.err == nil && going.text != "" {
			return errors.New("going: " + going.text)
		}
		return going.err
	})
}

func (n namespace) installThree(release string) error {
	return n.install(release, release, threePods(release)...)
}

func threePods(release string) []string {
	return []string{"--set=replicaCount=3", "--set=config.seedDemoData=true",
		"--set=database.existingSecret=" + release + "-database", "--set=faults.enabled=true"}
}

// asInstalled takes back what became of a release's values and number of pods.
func (n namespace) asInstalled(release string) error {
	return inOrder(
		func() error {
			return n.helm(append([]string{"upgrade", release, "charts/" + release, "--reset-values", "--wait", "--timeout=3m"}, threePods(release)...)...).err
		},
		func() error { return n.scale(release, 3) })
}

const (
	// steady is a load, in requests a second, that leaves room on two cores, and
	// gentle one that does so while containers are started.
	steady, gentle = 100, 60
	// some and few are how many requests a scenario sends that is bounded by what
	// happens.
	some, few = 1500, 500
)

// resilience is a namespace with three pods of each service, and load for them.
type resilience struct {
	namespace
	load     generator
	requests int // that a rollout must withstand
}

// during puts load on orders while something happens.
func (r *resilience) during(requests int, do func() error, flags ...string) (accounts, error) {
	return r.load.during(do, append([]string{"-rate=" + strconv.Itoa(steady), "-requests=" + strconv.Itoa(requests)}, flags...)...)
}

// scenario is something that happens under load, and what must hold then.
type scenario struct {
	name     string
	demand   string
	run      func() (measured string, err error) // err is unmet where the demand was missed
	controls []control
}

// control runs a scenario while a mechanism is off. What off changes, reset takes
// back.
type control struct {
	without string
	off     func() error                        // nil: there is nothing to do
	run     func() (measured string, err error) // nil: as the scenario
}

// of fills in what a control of a scenario has left out.
func (c control) of(s scenario) control {
	if c.off == nil {
		c.off = nothing
	}
	if c.run == nil {
		c.run = s.run
	}
	return c
}

func nothing() error { return nil }

// unmet is a demand that was missed, and not a scenario that could not be run.
type unmet struct{ why string }

func (u unmet) Error() string { return u.why }

// demand gives an unmet where something does not hold.
func demand(holds bool, why string, args ...any) error {
	if holds {
		return nil
	}
	return unmet{fmt.Sprintf(why, args...)}
}

// prove runs a scenario, and each of its controls where E2E_CONTROLS is set.
func (r *resilience) prove(t *testing.T, s scenario) {
	t.Helper()
	result := results.Result{Scenario: s.name, Demand: s.demand, Requests: r.requests, Machine: machine(), Date: time.Now().UTC().Format(time.RFC3339)}
	result.Met = check(t, s.name+": "+s.demand, func() (err error) {
		result.Measured, err = s.run()
		fmt.Println("             ", result.Measured)
		return err
	})
	defer r.record(t, &result)
	if !result.Met {
		must(t, "all is well again", r.reset)
		return
	}
	for _, c := range s.controls {
		if withControls() {
			result.Controls = append(result.Controls, r.seen(t, s, c.of(s)))
		}
	}
}

// record writes a result down where E2E_RESULTS is set, even if the test ends
// with it.
func (r *resilience) record(t *testing.T, result *results.Result) {
	t.Helper()
	name := os.Getenv("E2E_RESULTS")
	if name == "" {
		return
	}
	check(t, "the result is written down", func() error {
		return results.Add(filepath.Join(root, name), *result)
	})
}

// reset takes back what a scenario may have left behind, and waits until all is
// well.
func (r *resilience) reset() error {
	return inOrder(
		startWorkers,
		func() error { return kubectl("uncordon", "--selector="+worker).err },
		func() error { return setGracePeriod("") },
		r.reconnect,
		func() error { return r.commitDelay("0") },
		func() error {
			return atOnce(func() error { return r.asInstalled("users") }, func() error { return r.asInstalled("orders") })
		},
		func() error { return r.fault("users", "") },
		r.settled)
}

// withControls says whether the run is the full one.
func withControls() bool { return os.Getenv("E2E_CONTROLS") != "" }

// seen demands that a scenario misses its demand while a mechanism is off.
func (r *resilience) seen(t *testing.T, s scenario, c control) (made results.Control) {
	t.Helper()
	made.Without = c.without
	made.Red = check(t, s.name+", without "+c.without+", is red", func() error {
		return inOrder(c.off, func() (err error) {
			made.Measured, err = c.run()
			fmt.Println("             ", made.Measured)
			return red(err)
		})
	})
	must(t, "all is as before", r.reset)
	return made
}

// red demands of a scenario that its demand was missed, and that nothing else
// went wrong.
func red(err error) error {
	if err == nil {
		return errors.New("it holds all the same")
	}
	if !onlyUnmet(err) {
		return err
	}
	fmt.Println("              as it has to be:", err)
	return nil
}

// onlyUnmet says whether an error is an unmet, or consists of nothing else.
func onlyUnmet(err error) bool {
	switch e := err.(type) { //nolint:errorlint // each part is looked at
	case unmet:
		return true
	case interface{ Unwrap() []error }:
		return !slices.ContainsFunc(e.Unwrap(), func(part error) bool { return !onlyUnmet(part) })
	default:
		return false
	}
}

// settled waits until every pod is ready and orders answers in full.
func (r *resilience) settled() error {
	return inOrder(
		r.ready,
		func() error {
			return eventually(time.Minute, func() error {
				a, err := r.load.send("-rate=50", "-requests=50")
				if err == nil && a.bad() > 0 {
					err = errors.New(a.String())
				}
				return err
			})
		})
}

// without is the control that takes mechanisms from orders' client of users,
// with more environment variables of orders.
func (r *resilience) without(mechanisms, said string, more ...string) control {
	return control{
		without: said,
		off: func() error {
			return r.replace("orders", variables(append([]string{"USERS_WITHOUT", mechanisms}, more...)...))
		},
	}
}

// variables are environment variables as extraEnv has them.
func variables(pairs ...string) string {
	type variable struct {
		Name  string `json:"name"`
		Value string `json:"value"`
	}
	var all []variable
	for i := 0; i < len(pairs); i += 2 {
		all = append(all, variable{pairs[i], pairs[i+1]})
	}
	text, _ := json.Marshal(all)
	return string(text)
}

// plainClient is the control that has orders call users by its ClusterIP, as any
// HTTP client would, and perhaps without a mechanism besides.
func (r *resilience) plainClient(besides, said string, run func() (string, error)) control {
	return control{
		without: "client-side balancing (a plain client on the ClusterIP" + said + ")",
		off: func() error {
			return r.change("orders", "--set=users.url=http://users."+string(r.namespace)+".svc.cluster.local.:5001",
				"--set-json=extraEnv="+variables("USERS_WITHOUT", "retries,breaker,ejection,latency"+besides))
		},
		run: run,
	}
}

// steadyPods demands that every pod of a release is ready and that none was
// restarted since it was looked at.
func (n namespace) steadyPods(release string, before int) error {
	pods, err := n.pods(release)
	for _, p := range pods {
		if !p.isReady() {
			err = errors.Join(err, unmet{p.Metadata.Name + " is not ready"})
		}
	}
	return errors.Join(err, n.restartedOnly(release, before))
}

// restartedOnly demands that the pods of a release were restarted so often.
func (n namespace) restartedOnly(release string, before int) error {
	now, err := n.restarts(release)
	return errors.Join(err, demand(now == before, "containers of %s were restarted %d times", release, now-before))
}

// restarts is how often the containers of a release's pods were restarted.
func (n namespace) restarts(release string) (sum int, err error) {
	pods, err := n.pods(release)
	for _, p := range pods {
		sum += p.restarts()
	}
	return sum, err
}
