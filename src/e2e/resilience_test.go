//go:build e2e

package e2e

import (
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

// TestResilience runs scenarios such as rollouts and outages on three pods of each
// service on PostgreSQL. During each it sends load to orders and counts every request
// by its result. Each group can run alone: `make e2e E2E_RUN=TestResilience/nodes`.
//
// The groups that inject faults are the last, because they need another image of
// users, and changing it takes a rollout.
func TestResilience(t *testing.T) {
	must(t, "wait until the namespaces of earlier tests are deleted and every worker is ready", func() error {
		return inOrder(waitForTerminatingNamespaces, startWorkers, uncordonWorkers)
	})
	n := newNamespace(t, "resilience")
	must(t, "install PostgreSQL and metrics-server", func() error {
		return concurrently(
			func() error { return run("k8s/postgres/install.sh", string(n)).err },
			func() error { return run("k8s/metrics-server/install.sh").err })
	})
	must(t, "install users and orders with three pods each", func() error {
		return concurrently(
			func() error { return n.install("users", "users", resilienceValues("users")...) },
			func() error { return n.install("orders", "orders", resilienceValues("orders")...) })
	})
	r := &resilience{namespace: n, requests: rolloutRequests()}
	must(t, "start the load generator", func() (err error) { r.load, err = n.newLoadGenerator(); return err })
	for _, group := range []struct {
		name   string
		verify func(*testing.T, *resilience)
	}{
		{"rollouts", verifyRollouts},
		{"outages", verifyOutages},
		{"scaling", verifyScaling},
		{"durability", verifyDurability},
		{"overload", verifyOverload},
		{"autoscaling", verifyAutoscaling},
		{"resizes", verifyResizes},
		{"upgrades", verifyUpgrades},
		{"frozen", verifyFrozen},
		{"addresses", verifyAddresses},
		{"drain", verifyDrain},
		{"faults", verifyFaults},
		{"nodes", verifyNodes},
	} {
		t.Run(group.name, func(t *testing.T) { group.verify(t, r) })
	}
}

// waitForTerminatingNamespaces waits until the namespaces of earlier tests are
// deleted.
func waitForTerminatingNamespaces() error {
	return eventually(2*time.Minute, func() error {
		left := kubectl("get", "namespaces", "--selector="+runLabel, "--field-selector=status.phase=Terminating", "--output=name")
		if left.err == nil && left.stdout != "" {
			return errors.New("still terminating: " + left.stdout)
		}
		return left.err
	})
}

// resilienceValues returns the Helm flags that a release is installed with.
func resilienceValues(release string) []string {
	return []string{"--set=replicaCount=3", "--set=config.seedDemoData=true", "--set=database.existingSecret=" + release + "-database"}
}

// restoreInstallation resets the values and the number of pods of a release to
// those that it was installed with. It scales first, since an upgrade by Helm 4 does
// not change a number that something else has set, and again, since the number stays
// when autoscaling is turned off.
func (n namespace) restoreInstallation(release string) error {
	upgrade := []string{"upgrade", release, "charts/" + release, "--reset-values", "--wait", "--timeout=3m"}
	return inOrder(
		func() error { return n.kubectl("scale", "deployment", release, "--replicas=3").err },
		func() error { return n.helm(append(upgrade, resilienceValues(release)...)...).err },
		func() error { return n.scale(release, 3) })
}

const (
	// defaultRate and lowRate are loads in requests per second. Two cores have
	// capacity left at defaultRate, and at lowRate also while containers start.
	defaultRate, lowRate = 100, 60
	// manyRequests and fewRequests are the minimum numbers of requests of scenarios
	// whose duration depends on what happens in the cluster.
	manyRequests, fewRequests = 1500, 500
)

// rate returns the flag of the program load for a rate in requests per second.
func rate(perSecond int) string { return "-rate=" + strconv.Itoa(perSecond) }

// resilience is a namespace with three pods of each service and a load generator.
type resilience struct {
	namespace
	load     loadGenerator
	requests int // minimum during a rollout
}

// during sends load to orders while do runs, and at least the given number of
// requests.
func (r *resilience) during(requests int, do func() error, flags ...string) (loadReport, error) {
	return r.load.during(do, append([]string{rate(defaultRate), "-requests=" + strconv.Itoa(requests)}, flags...)...)
}

// scenario is something that happens under load, and a requirement that must hold.
type scenario struct {
	name         string
	requirement  string
	injectFaults bool                                // run injects faults into users
	run          func() (measured string, err error) // err is an unmetError if the requirement does not hold
	controls     []control
}

// control is a negative control: the same scenario with a mechanism disabled, so
// that the requirement must not hold. After it, reset restores the installation.
type control struct {
	without string                              // the disabled mechanism
	disable func() error                        // nil: nothing to do
	run     func() (measured string, err error) // nil: as the scenario
}

// withDefaults returns the control of a scenario with its nil functions set.
func (c control) withDefaults(s scenario) control {
	if c.disable == nil {
		c.disable = noop
	}
	if c.run == nil {
		c.run = s.run
	}
	return c
}

func noop() error { return nil }

// unmetError says that a requirement does not hold. Every other error means that
// the scenario could not run.
type unmetError struct{ reason string }

func (u unmetError) Error() string { return u.reason }

// require returns an unmetError unless the requirement holds.
func require(holds bool, format string, args ...any) error {
	if holds {
		return nil
	}
	return unmetError{fmt.Sprintf(format, args...)}
}

// isOnlyUnmet reports whether an error is an unmetError or joins only such errors.
func isOnlyUnmet(err error) bool {
	switch e := err.(type) { //nolint:errorlint // each joined error is examined
	case unmetError:
		return true
	case interface{ Unwrap() []error }:
		return !slices.ContainsFunc(e.Unwrap(), func(part error) bool { return !isOnlyUnmet(part) })
	default:
		return false
	}
}

// verify runs a scenario, and each of its controls if E2E_CONTROLS is set.
func (r *resilience) verify(t *testing.T, s scenario) {
	t.Helper()
	must(t, "users runs the image for the next scenario", func() error { return r.selectImage(s) })
	result := results.Result{
		Scenario: s.name, Demand: s.requirement, Requests: r.requests,
		Machine: describeMachine(), Date: time.Now().UTC().Format(time.RFC3339),
	}
	result.Met = check(t, s.name+": "+s.requirement, func() (err error) {
		result.Measured, err = r.runTwice(s)
		return err
	})
	defer r.recordResult(t, &result)
	if !result.Met {
		must(t, "restore the installation", r.reset)
		return
	}
	for _, c := range s.controls {
		if controlsEnabled() {
			result.Controls = append(result.Controls, r.runControl(t, s, c.withDefaults(s)))
		}
	}
}

// runTwice runs a scenario, and once more if its requirement does not hold. On a small
// machine that others share, everything may stand still for a second; what is wrong
// with the services shows both times. The figures of both runs are returned.
func (r *resilience) runTwice(s scenario) (string, error) {
	measured, err := s.run()
	logDetail("%s", measured)
	if !isOnlyUnmet(err) { // also without an error
		return measured, err
	}
	logDetail("not as required (%v); once more", err)
	if err := inOrder(r.reset, func() error { return r.selectImage(s) }); err != nil {
		return measured, err
	}
	again, err := s.run()
	logDetail("%s", again)
	return fmt.Sprintf("%s (the first run was not as required: %s)", again, measured), err
}

// recordResult writes a result into the folder in E2E_RESULTS, if it is set. It is
// deferred, so that a result is written even if a control ends the test.
func (r *resilience) recordResult(t *testing.T, result *results.Result) {
	t.Helper()
	folder := os.Getenv("E2E_RESULTS")
	if folder == "" {
		return
	}
	check(t, "write the result", func() error {
		return results.Add(filepath.Join(root, folder, "resilience.json"), *result)
	})
}

// selectImage gives users the image with the test hooks for a scenario that injects
// faults, and the production image for every other.
func (r *resilience) selectImage(s scenario) error {
	hooked, err := r.usesTestHooks("users")
	switch {
	case err != nil || hooked == s.injectFaults:
		return err
	case s.injectFaults:
		return r.enableFaults()
	default:
		return inOrder(func() error { return r.restoreInstallation("users") }, r.waitUntilHealthy)
	}
}

// enableFaults gives users the image with the test hooks and opens its fault port.
// It restarts orders too, because a drain before may have left all pods on one
// worker.
func (r *resilience) enableFaults() error {
	values, err := testHooksValues("users", faultPortVariable, faultPort)
	if err != nil {
		return err
	}
	return inOrder(
		func() error {
			return concurrently(
				func() error { return r.upgradeAndReplace("users", values...) },
				func() error { return r.restart("orders") })
		},
		r.waitUntilHealthy)
}

// reset reverts everything that a scenario may have changed, and waits until both
// services are healthy. It ends faults because users gets the production image.
func (r *resilience) reset() error {
	return inOrder(
		startWorkers,
		uncordonWorkers,
		func() error { return setNodeMonitorGracePeriod("") },
		r.restorePostgresTraffic,
		func() error { return r.setCommitDelay("0") },
		func() error {
			return concurrently(
				func() error { return r.restoreInstallation("users") },
				func() error { return r.restoreInstallation("orders") })
		},
		r.waitUntilHealthy)
}

// controlsEnabled reports whether negative controls and long scenarios run.
func controlsEnabled() bool { return os.Getenv("E2E_CONTROLS") != "" }

// runControl disables a mechanism and requires that the scenario's requirement does
// not hold.
func (r *resilience) runControl(t *testing.T, s scenario, c control) (measured results.Control) {
	t.Helper()
	measured.Without = c.without
	measured.Red = check(t, s.name+", without "+c.without+": the requirement does not hold", func() error {
		return inOrder(
			func() error { return r.selectImage(s) },
			c.disable,
			func() (err error) {
				measured.Measured, err = c.run()
				logDetail("%s", measured.Measured)
				return expectUnmet(err)
			})
	})
	must(t, "restore the installation", r.reset)
	return measured
}

// expectUnmet returns nil if err says that a requirement does not hold and contains
// no other error.
func expectUnmet(err error) error {
	if err == nil {
		return errors.New("the requirement holds although the mechanism is disabled")
	}
	if !isOnlyUnmet(err) {
		return err
	}
	logDetail("as expected: %v", err)
	return nil
}

// waitUntilHealthy waits until every pod is ready and orders responds successfully
// to all of 50 requests.
func (r *resilience) waitUntilHealthy() error {
	return inOrder(
		r.waitForRollouts,
		func() error {
			return eventually(time.Minute, func() error {
				report, err := r.load.send(rate(50), "-requests=50")
				if err == nil && report.unsuccessful() > 0 {
					err = errors.New(report.String())
				}
				return err
			})
		})
}

// without is the control that disables mechanisms of orders' client of users, and
// sets more environment variables of orders, given as names and values in turn.
func (r *resilience) without(description, mechanisms string, environment ...string) control {
	return control{
		without: description,
		disable: func() error { return r.disableMechanisms(mechanisms, environment...) },
	}
}

// disableMechanisms disables mechanisms of orders' client of users. They are those
// that USERS_DISABLE of the image with the test hooks names.
func (r *resilience) disableMechanisms(mechanisms string, environment ...string) error {
	values, err := testHooksValues("orders", append([]string{usersDisableVariable, mechanisms}, environment...)...)
	if err != nil {
		return err
	}
	return r.upgradeAndReplace("orders", values...)
}

// withPlainClient is the control in which orders calls users through the ClusterIP,
// as any HTTP client does, without client-side balancing, retries and breaker.
// alsoDisabled names further mechanisms to disable.
func (r *resilience) withPlainClient(description, alsoDisabled string, run func() (string, error)) control {
	return control{
		without: "client-side balancing (a plain client on the ClusterIP" + description + ")",
		disable: func() error {
			values, err := testHooksValues("orders", usersDisableVariable, "retries,breaker,ejection,latency"+alsoDisabled)
			if err != nil {
				return err
			}
			clusterIP := "http://users." + string(r.namespace) + ".svc.cluster.local.:5001"
			return r.upgradeAndReplace("orders", append(values, "--set=users.url="+clusterIP)...)
		},
		run: run,
	}
}

// expectReadyWithoutRestarts returns an error unless every pod of a release is ready
// and the release has the given number of restarts.
func (n namespace) expectReadyWithoutRestarts(release string, restarts int) error {
	pods, err := n.pods(release)
	for _, p := range pods {
		if !p.isReady() {
			err = errors.Join(err, unmetError{p.Metadata.Name + " is not ready"})
		}
	}
	now, restartsErr := n.restarts(release)
	return errors.Join(err, restartsErr, require(now == restarts, "containers of %s were restarted %d times", release, now-restarts))
}

// restarts returns the number of restarts of all containers of a release.
func (n namespace) restarts(release string) (sum int, err error) {
	pods, err := n.pods(release)
	for _, p := range pods {
		sum += p.restarts()
	}
	return sum, err
}

// totalRestarts returns the number of restarts of all containers of both releases.
func (n namespace) totalRestarts() (int, error) {
	users, usersErr := n.restarts("users")
	orders, ordersErr := n.restarts("orders")
	return users + orders, errors.Join(usersErr, ordersErr)
}
