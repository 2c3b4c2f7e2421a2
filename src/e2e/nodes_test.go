//go:build e2e

package e2e

import (
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"
)

// nodes stops and drains workers.
func nodes(t *testing.T, r *resilience) {
	must(t, "the control plane waits for a worker as long as it does by default", func() error { return setGracePeriod("") })
	r.prove(t, scenario{
		name:   "a worker stopped hard, while users takes 0.15 s to answer",
		demand: "orders is without users for ≤ 15 s; what fails through the Service ends ≤ 10 s after the node is NotReady, and ≤ 90 s in all",
		run:    func() (string, error) { return r.stopped(90 * time.Second) },
		// Over kept connections net/http hides a dead address: a call takes whichever connection comes free first.
		controls: []control{r.plainClient(",pool", ", each call on a connection of its own", func() (string, error) {
			was, sum, err := r.stop()
			return was.String() + sum.String(), errors.Join(err, was.shortForCalls())
		})},
	})
	r.prove(t, scenario{
		name:   "`kubectl drain` of a worker with two users pods",
		demand: "0 failed, degraded or refused; the disruption budget holds back the second eviction",
		run: func() (string, error) {
			measured, held, err := r.drain()
			return measured, errors.Join(err, demand(held > 0, "no eviction was held back"))
		},
		controls: []control{r.crowded()},
	})
	if withControls() {
		r.prove(t, scenario{
			name:   "a worker stopped hard, with `--node-monitor-grace-period=20s`, while users takes 0.15 s to answer",
			demand: "orders is without users for ≤ 15 s; what fails through the Service ends ≤ 10 s after the node is NotReady, and ≤ 45 s in all",
			run:    r.stoppedSooner,
		})
	}
}

// stoppedSooner stops a worker that is missed after 20 s.
func (r *resilience) stoppedSooner() (measured string, err error) {
	err = inOrder(
		func() error { return r.restart("users", "orders") }, // over both workers again
		func() error { return setGracePeriod("20s") },
		func() (err error) { measured, err = r.stopped(45 * time.Second); return err })
	return measured, errors.Join(err, setGracePeriod(""))
}

// fullestNode is the worker with the most pods of a release, and how many it has.
func (n namespace) fullestNode(release string) (node string, most int, err error) {
	pods, err := n.pods(release)
	counts := map[string]int{}
	for _, p := range pods {
		name := p.Spec.NodeName
		if counts[name]++; counts[name] > most {
			node, most = name, counts[name]
		}
	}
	return node, most, err
}

// drain empties a worker that holds two or more pods of users, and says how
// often an eviction was held back.
func (r *resilience) drain() (measured string, held int, err error) {
	node, most, err := r.fullestNode("users")
	if err == nil && most < 2 {
		err = fmt.Errorf("no worker has two pods of users")
	}
	if err != nil {
		return "", 0, err
	}
	sum, err := r.during(some, func() error {
		drained := run("bash", "-c", "kubectl drain "+node+" --ignore-daemonsets --delete-emptydir-data --timeout=3m 2>&1")
		held = len(heldBack.FindAllString(drained.text, -1))
		return inOrder(func() error { return drained.err }, r.ready)
	}, "-rate="+strconv.Itoa(gentle))
	return fmt.Sprintf("%v; held back %d times", sum, held), held, errors.Join(err,
		kubectl("uncordon", node).err,
		demand(sum.bad() == 0, "%d were not answered in full", sum.bad()))
}

// heldBack is what kubectl says of an eviction of users that must wait.
var heldBack = regexp.MustCompile(`pods/"users-.*would violate the pod's disruption budget`)

// ready waits until every pod of both releases is ready.
func (n namespace) ready() error {
	return errors.Join(
		n.kubectl("rollout", "status", "deployment/users", "--timeout=3m").err,
		n.kubectl("rollout", "status", "deployment/orders", "--timeout=3m").err)
}

// crowded is the control that has all pods of users on one worker, and no
// disruption budget.
func (r *resilience) crowded() control {
	return control{
		without: "disruption budget and spread",
		off: func() error {
			node, _, err := r.fullestNode("users")
			if err != nil {
				return err
			}
			others, err := otherWorkers(node)
			return inOrder(
				func() error { return err },
				func() error { return kubectl(append([]string{"cordon"}, others...)...).err },
				func() error {
					return r.change("users", "--set=podDisruptionBudget.enabled=false", "--set-json=podAnnotations="+`{"crowded": "yes"}`,
						"--set-json=topologySpreadConstraints="+`[{"maxSkew": 9, "topologyKey": "kubernetes.io/hostname", "whenUnsatisfiable": "ScheduleAnyway", "labelSelector": {}}]`)
				},
				func() error { return kubectl(append([]string{"uncordon"}, others...)...).err })
		},
		run: func() (string, error) { measured, _, err := r.drain(); return measured, err },
	}
}

// worker selects the nodes that are none of the control plane.
const worker = "!node-role.kubernetes.io/control-plane"

// workers are the names of them.
func workers() ([]string, error) {
	list := kubectl("get", "nodes", "--selector="+worker, "--output=jsonpath={.items[*].metadata.name}")
	return strings.Fields(list.text), list.err
}

// startWorkers starts those that were stopped.
func startWorkers() error {
	names, err := workers()
	return inOrder(
		func() error { return err },
		func() error { return run(append([]string{"docker", "start"}, names...)...).err },
		func() error {
			return kubectl("wait", "node", "--selector="+worker, "--for=condition=Ready", "--timeout=3m").err
		})
}

// otherWorkers are the workers but for one.
func otherWorkers(node string) ([]string, error) {
	names, err := workers()
	return slices.DeleteFunc(names, func(name string) bool { return name == node }), err
}

// loss is what the loss of a worker meant, in time since it was stopped.
type loss struct {
	calls, entry time.Duration // until calls to users and those through the Service failed for the last time
	notReady     time.Duration // until Kubernetes missed the worker
}

func (l loss) String() string {
	return fmt.Sprintf("calls to users failed for %.1f s; node NotReady after %.1f s, entry through the Service failed for %.1f s; ",
		l.calls.Seconds(), l.notReady.Seconds(), l.entry.Seconds())
}

// shortForCalls demands that calls to users failed for a short time alone.
func (l loss) shortForCalls() error {
	return demand(l.calls <= 15*time.Second, "calls to users failed for %v", l.calls)
}

// stopped demands that the loss of a worker is felt for a short time, and through
// the Service for no longer than is said.
func (r *resilience) stopped(most time.Duration) (string, error) {
	was, sum, err := r.stop()
	return was.String() + sum.String(), errors.Join(err, was.shortForCalls(),
		demand(was.entry <= min(most, was.notReady+10*time.Second), "what comes through the Service failed for %v", was.entry))
}

// stop stops a worker, as a power cut would, until Kubernetes
// has taken its endpoints away; then it starts the worker again. users takes its
// time meanwhile, so that orders has several connections.
func (r *resilience) stop() (was loss, sum accounts, err error) {
	node, _, err := r.fullestNode("users")
	if err != nil {
		return was, sum, err
	}
	var began time.Time
	err = r.under("users", "delay=150ms", func() (err error) {
		sum, err = r.during(some, func() (err error) {
			began = time.Now()
			was.notReady, err = stopWorker(node)
			return err
		}, "-rate="+strconv.Itoa(gentle))
		return errors.Join(err, startWorkers(), r.settled())
	})
	was.calls, was.entry = since(began, sum.LastDegraded), since(began, sum.LastFailed)
	return was, sum, err
}

// stopWorker kills the container that is a worker, waits until Kubernetes has missed it and for a while, and
// says how long it took to be missed.
func stopWorker(node string) (notReady time.Duration, err error) {
	began := time.Now()
	err = inOrder(
		func() error { return run("docker", "kill", node).err },
		func() error {
			return kubectl("wait", "node", node, "--for=condition=Ready=Unknown", "--timeout=3m").err
		})
	notReady = time.Since(began)
	time.Sleep(12 * time.Second) // what fails then, fails for good
	return notReady, err
}

// since is the time from a moment to another in Unix milliseconds; 0 where there
// was none.
func since(began time.Time, milliseconds int64) time.Duration {
	if milliseconds == 0 {
		return 0
	}
	return max(0, time.UnixMilli(milliseconds).Sub(began))
}

// setGracePeriod has the control plane wait so long for a worker that does not
// report before it takes it for lost; an empty one is the default.
func setGracePeriod(period string) error {
	node := kubectl("get", "nodes", "--selector=node-role.kubernetes.io/control-plane", "--output=jsonpath={.items[0].metadata.name}")
	if node.err != nil {
		return node.err
	}
	const manifest = "/etc/kubernetes/manifests/kube-controller-manager.yaml"
	now := run("docker", "exec", node.text, "cat", manifest)
	if now.err != nil || !strings.Contains(now.text, gracePeriod) && period == "" {
		return now.err
	}
	edit := "/" + gracePeriod + "/d"
	if period != "" {
		edit += `; /- kube-controller-manager$/a\    - ` + gracePeriod + "=" + period
	}
	return anotherManager(func() error {
		return run("docker", "exec", node.text, "bash", "-c",
			"sed '"+edit+"' "+manifest+" > /tmp/manifest && cp /tmp/manifest "+manifest).err
	})
}

const gracePeriod = "--node-monitor-grace-period"

// anotherManager changes something, and waits until another process leads the
// control plane's controllers.
func anotherManager(change func() error) error {
	before, err := managerLease()
	return inOrder(
		func() error { return err },
		change,
		func() error {
			return eventually(2*time.Minute, func() error {
				now, err := managerLease()
				if err == nil && now == before {
					err = errors.New("kube-controller-manager has not been started anew")
				}
				return err
			})
		})
}

// managerLease names the process that leads the control plane's controllers.
func managerLease() (string, error) {
	r := kubectl("--namespace=kube-system", "get", "lease", "kube-controller-manager", "--output=jsonpath={.spec.holderIdentity}")
	return r.text, r.err
}
