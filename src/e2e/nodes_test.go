//go:build e2e

package e2e

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"
)

// verifyNodes stops a worker as a power failure would.
func verifyNodes(t *testing.T, r *resilience) {
	must(t, "the control plane has the default node monitor grace period", func() error { return setNodeMonitorGracePeriod("") })
	r.verify(t, scenario{
		name: "a worker stopped hard, while users takes 0.15 s to answer",
		requirement: "orders is without users for ≤ 15 s; " +
			"what fails through the Service ends ≤ 10 s after the node is NotReady, and ≤ 90 s in all",
		injectFaults: true,
		run:          func() (string, error) { return r.loseWorker(90 * time.Second) },
		// With kept connections, net/http hides a dead address: a call takes whichever
		// connection becomes idle first.
		controls: []control{r.withPlainClient(", each call on a connection of its own", ",pool", func() (string, error) {
			loss, report, err := r.stopWorkerUnderLoad()
			return loss.String() + report.String(), errors.Join(err, loss.requireShortOutageOfUsers())
		})},
	})
	if controlsEnabled() {
		r.verify(t, scenario{
			name: "a worker stopped hard, with `--node-monitor-grace-period=20s`, while users takes 0.15 s to answer",
			requirement: "orders is without users for ≤ 15 s; " +
				"what fails through the Service ends ≤ 10 s after the node is NotReady, and ≤ 45 s in all",
			injectFaults: true,
			run:          r.loseWorkerWithShortGracePeriod,
		})
	}
}

// loseWorkerWithShortGracePeriod stops a worker that Kubernetes takes for lost after
// 20 s.
func (r *resilience) loseWorkerWithShortGracePeriod() (measured string, err error) {
	err = inOrder(
		func() error { return r.restart("users", "orders") }, // spreads the pods over both workers
		func() error { return setNodeMonitorGracePeriod("20s") },
		func() (err error) { measured, err = r.loseWorker(45 * time.Second); return err })
	return measured, errors.Join(err, setNodeMonitorGracePeriod(""))
}

// nodeWithMostPods returns the worker with the most pods of a release, and their
// number.
func (n namespace) nodeWithMostPods(release string) (node string, most int, err error) {
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

// waitForRollouts waits until every pod of both releases is ready.
func (n namespace) waitForRollouts() error {
	return errors.Join(
		n.kubectl("rollout", "status", "deployment/users", "--timeout=3m").err,
		n.kubectl("rollout", "status", "deployment/orders", "--timeout=3m").err)
}

// workerSelector selects the nodes that are not part of the control plane.
const workerSelector = "!node-role.kubernetes.io/control-plane"

// workers returns the names of the workers.
func workers() ([]string, error) {
	list := kubectl("get", "nodes", "--selector="+workerSelector, "--output=jsonpath={.items[*].metadata.name}")
	return strings.Fields(list.stdout), list.err
}

// startWorkers starts the workers that were stopped and waits until all are ready.
func startWorkers() error {
	names, err := workers()
	return inOrder(
		func() error { return err },
		func() error { return run(append([]string{"docker", "start"}, names...)...).err },
		func() error {
			return kubectl("wait", "node", "--selector="+workerSelector, "--for=condition=Ready", "--timeout=3m").err
		})
}

func uncordonWorkers() error { return kubectl("uncordon", "--selector="+workerSelector).err }

// otherWorkers returns the workers other than the given one.
func otherWorkers(node string) ([]string, error) {
	names, err := workers()
	return slices.DeleteFunc(names, func(name string) bool { return name == node }), err
}

// workerLoss holds the effects of the loss of a worker, as durations since it was
// stopped.
type workerLoss struct {
	usersCalls time.Duration // until the last call of orders to users failed
	entry      time.Duration // until the last request through the Service of orders failed
	notReady   time.Duration // until Kubernetes set the node NotReady
}

func (l workerLoss) String() string {
	return fmt.Sprintf("calls to users failed for %.1f s; node NotReady after %.1f s, entry through the Service failed for %.1f s; ",
		l.usersCalls.Seconds(), l.notReady.Seconds(), l.entry.Seconds())
}

// requireShortOutageOfUsers requires that calls to users failed for at most 15 s.
func (l workerLoss) requireShortOutageOfUsers() error {
	return require(l.usersCalls <= 15*time.Second, "calls to users failed for %v", l.usersCalls)
}

// loseWorker stops a worker and requires that calls to users fail for a short time,
// and requests through the Service at most for the limit.
func (r *resilience) loseWorker(limit time.Duration) (string, error) {
	loss, report, err := r.stopWorkerUnderLoad()
	return loss.String() + report.String(), errors.Join(err, loss.requireShortOutageOfUsers(),
		require(loss.entry <= min(limit, loss.notReady+10*time.Second), "requests through the Service failed for %v", loss.entry))
}

// stopWorkerUnderLoad stops a worker until Kubernetes has removed its endpoints, and
// starts it again. Meanwhile the responses of users are delayed, so that orders has
// several connections.
func (r *resilience) stopWorkerUnderLoad() (loss workerLoss, report loadReport, err error) {
	node, _, err := r.nodeWithMostPods("users")
	if err != nil {
		return loss, report, err
	}
	var stopped time.Time
	err = r.withFault("users", "delay=150ms", func() (err error) {
		report, err = r.during(manyRequests, func() (err error) {
			stopped = time.Now()
			loss.notReady, err = stopWorker(node)
			return err
		}, rate(lowRate))
		return errors.Join(err, startWorkers(), r.waitUntilHealthy())
	})
	loss.usersCalls, loss.entry = durationUntil(stopped, report.LastDegraded), durationUntil(stopped, report.LastFailed)
	return loss, report, err
}

// stopWorker kills the container of a worker, and returns the duration until the
// node is NotReady. It returns 12 s after that.
func stopWorker(node string) (notReady time.Duration, err error) {
	started := time.Now()
	err = inOrder(
		func() error { return run("docker", "kill", node).err },
		func() error {
			return kubectl("wait", "node", node, "--for=condition=Ready=Unknown", "--timeout=3m").err
		})
	notReady = time.Since(started)
	time.Sleep(12 * time.Second) // a request that fails after this time exceeds every limit
	return notReady, err
}

// durationUntil returns the duration from start to a time in Unix milliseconds, or 0
// if that time is 0 or before start.
func durationUntil(start time.Time, milliseconds int64) time.Duration {
	if milliseconds == 0 {
		return 0
	}
	return max(0, time.UnixMilli(milliseconds).Sub(start))
}

// setNodeMonitorGracePeriod sets the time after which kube-controller-manager takes
// an unresponsive node for lost; an empty period is the default.
func setNodeMonitorGracePeriod(period string) error {
	node := kubectl("get", "nodes", "--selector=node-role.kubernetes.io/control-plane", "--output=jsonpath={.items[0].metadata.name}")
	if node.err != nil {
		return node.err
	}
	const manifest = "/etc/kubernetes/manifests/kube-controller-manager.yaml"
	current := run("docker", "exec", node.stdout, "cat", manifest)
	if current.err != nil || !strings.Contains(current.stdout, gracePeriodFlag) && period == "" {
		return current.err
	}
	edit := "/" + gracePeriodFlag + "/d"
	if period != "" {
		edit += `; /- kube-controller-manager$/a\    - ` + gracePeriodFlag + "=" + period
	}
	return waitForNewControllerManager(func() error {
		return run("docker", "exec", node.stdout, "bash", "-c",
			"sed '"+edit+"' "+manifest+" > /tmp/manifest && cp /tmp/manifest "+manifest).err
	})
}

const gracePeriodFlag = "--node-monitor-grace-period"

// waitForNewControllerManager runs a step that restarts kube-controller-manager, and
// waits until the new process is the leader.
func waitForNewControllerManager(step func() error) error {
	before, err := controllerManagerLeader()
	return inOrder(
		func() error { return err },
		step,
		func() error {
			return eventually(2*time.Minute, func() error {
				now, err := controllerManagerLeader()
				if err == nil && now == before {
					err = errors.New("kube-controller-manager was not restarted")
				}
				return err
			})
		})
}

// controllerManagerLeader returns the identity of the kube-controller-manager that
// is the leader.
func controllerManagerLeader() (string, error) {
	r := kubectl("--namespace=kube-system", "get", "lease", "kube-controller-manager", "--output=jsonpath={.spec.holderIdentity}")
	return r.stdout, r.err
}
