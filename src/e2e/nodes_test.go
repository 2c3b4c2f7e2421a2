//go:build e2e

package e2e

import (
	"errors"
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"
)

// nodes stops and drains workers.
func nodes(t *testing.T, r *resilience) {
	r.prove(t, scenario{
		name:     "a worker stopped hard",
		demand:   "orders is without users for ≤ 15 s; what fails through the Service ends with the node's endpoints",
		run:      r.stopped,
		controls: []control{r.plainClient()},
	})
	r.prove(t, scenario{
		name:     "`kubectl drain` of a worker with two users pods",
		demand:   "0 failed or degraded; the disruption budget holds back the second eviction",
		run:      r.drain,
		controls: []control{r.crowded()},
	})
	if withControls() {
		r.prove(t, scenario{
			name:   "a worker stopped hard, with `--node-monitor-grace-period=20s`",
			demand: "the same, sooner",
			run: func() (measured string, err error) {
				err = inOrder(
					func() error { return r.restart("users", "orders") }, // over both workers again
					func() error { return setGracePeriod("20s") },
					func() (err error) { measured, err = r.stopped(); return err })
				return measured, errors.Join(err, setGracePeriod(""))
			},
		})
	}
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

// drain empties a worker that holds two or more pods of users.
func (r *resilience) drain() (string, error) {
	node, most, err := r.fullestNode("users")
	if err == nil && most < 2 {
		err = fmt.Errorf("no worker has two pods of users")
	}
	if err != nil {
		return "", err
	}
	var log string
	sum, err := r.during(some, func() error {
		drained := run("bash", "-c", "kubectl drain "+node+" --ignore-daemonsets --delete-emptydir-data --timeout=3m 2>&1")
		log = drained.text
		return inOrder(func() error { return drained.err }, r.ready)
	}, "-rate="+strconv.Itoa(gentle))
	held := len(heldBack.FindAllString(log, -1))
	return fmt.Sprintf("%v; held back %d times", sum, held), errors.Join(err,
		kubectl("uncordon", node).err,
		demand(sum.bad() == 0, "%d were not answered in full", sum.bad()),
		demand(held > 0 || r.budgetless, "no eviction was held back"))
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
			r.budgetless = true
			node, _, err := r.fullestNode("users")
			if err != nil {
				return err
			}
			others, err := otherWorkers(node)
			return inOrder(
				func() error { return err },
				func() error { return kubectl(append([]string{"cordon"}, others...)...).err },
				func() error {
					return r.untilReplaced("users", func() error {
						return r.upgrade("users", "users", "--set=podDisruptionBudget.enabled=false", "--set-json=podAnnotations="+`{"crowded": "yes"}`,
							"--set-json=topologySpreadConstraints="+`[{"maxSkew": 9, "topologyKey": "kubernetes.io/hostname", "whenUnsatisfiable": "ScheduleAnyway", "labelSelector": {}}]`)
					})
				},
				func() error { return kubectl(append([]string{"uncordon"}, others...)...).err })
		},
		on: func() error {
			r.budgetless = false
			return errors.Join(
				kubectl("uncordon", "--selector="+worker).err,
				r.upgrade("users", "users", "--set=podDisruptionBudget.enabled=true", "--set-json=podAnnotations={}", "--set-json=topologySpreadConstraints=[]"))
		},
	}
}

// worker selects the nodes that are none of the control plane.
const worker = "!node-role.kubernetes.io/control-plane"

// otherWorkers are the workers but for one.
func otherWorkers(node string) (others []string, err error) {
	list := kubectl("get", "nodes", "--selector="+worker, "--output=jsonpath={.items[*].metadata.name}")
	for _, name := range strings.Fields(list.text) {
		if name != node {
			others = append(others, name)
		}
	}
	return others, list.err
}

// stopped stops the engine under a worker, as a power cut would, until
// Kubernetes has taken its endpoints away; then it starts the worker again.
// users takes its time meanwhile, so that orders has several connections.
func (r *resilience) stopped() (measured string, err error) {
	err = r.under("users", "delay=100ms", func() error {
		node, _, err := r.fullestNode("users")
		if err != nil {
			return err
		}
		var began, ended time.Time
		sum, err := r.during(some, func() error {
			began = time.Now()
			err := lost(node)
			ended = time.Now()
			return err
		})
		calls, entry := since(began, sum.LastDegraded), since(began, sum.LastFailed)
		measured = fmt.Sprintf("calls to users failed for %.1f s, entry through the Service for %.1f s; %v", calls.Seconds(), entry.Seconds(), sum)
		return errors.Join(err, r.started(node),
			demand(calls <= 15*time.Second, "calls to users failed for %v", calls),
			demand(ended.Sub(began)-entry > 5*time.Second, "what comes through the Service fails to the end"))
	})
	return measured, err
}

// lost stops a worker and waits until Kubernetes has missed it for a while.
func lost(node string) error {
	return inOrder(
		func() error { return run("docker", "kill", node).err },
		func() error {
			return kubectl("wait", "node", node, "--for=condition=Ready=Unknown", "--timeout=3m").err
		},
		func() error { time.Sleep(35 * time.Second); return nil }) // what fails then, fails for good
}

// since is the time from a moment to another in Unix milliseconds; 0 where there
// was none.
func since(began time.Time, milliseconds int64) time.Duration {
	if milliseconds == 0 {
		return 0
	}
	return max(0, time.UnixMilli(milliseconds).Sub(began))
}

// started starts a worker again, and waits for its pods.
func (r *resilience) started(node string) error {
	return inOrder(
		func() error { return run("docker", "start", node).err },
		func() error { return kubectl("wait", "node", node, "--for=condition=Ready", "--timeout=3m").err },
		r.settled)
}

// setGracePeriod has the control plane wait so long for a worker that does not
// report before it takes it for lost; an empty one is the default.
func setGracePeriod(period string) error {
	before, err := managerLease()
	if err != nil {
		return err
	}
	const manifest = "/etc/kubernetes/manifests/kube-controller-manager.yaml"
	edit := "/--node-monitor-grace-period/d"
	if period != "" {
		edit += `; /- kube-controller-manager$/a\    - --node-monitor-grace-period=` + period
	}
	return inOrder(
		func() error {
			node := kubectl("get", "nodes", "--selector=node-role.kubernetes.io/control-plane", "--output=jsonpath={.items[0].metadata.name}")
			if node.err != nil {
				return node.err
			}
			return run("docker", "exec", node.text, "sed", "--in-place", edit, manifest).err
		},
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
