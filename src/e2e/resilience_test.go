//go:build e2e

package e2e

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"
)

// TestResilience lets things happen to three pods of each service on PostgreSQL
// while load goes to orders, and accounts for every request.
func TestResilience(t *testing.T) {
	n := newNamespace(t, "resilience")
	must(t, "PostgreSQL installs", func() error { return run("k8s/postgres/install.sh", string(n)).err })
	must(t, "users and orders install with three pods each", func() error {
		return inOrder(func() error { return n.installThree("users") }, func() error { return n.installThree("orders") })
	})
	var g generator
	must(t, "a pod is there that makes load", func() (err error) { g, err = n.newGenerator(); return err })
	rollouts(t, n, g)
	outage(t, n, g)
}

func (n namespace) installThree(release string) error {
	return n.install(release, release, "--set=replicaCount=3", "--set=config.seedDemoData=true", "--set=database.existingSecret="+release+"-database")
}

// steady is a load, in requests a second, that leaves room on two cores.
const steady = 60

func rollouts(t *testing.T, n namespace, g generator) {
	for _, releases := range [][]string{{"users"}, {"orders"}, {"users", "orders"}} {
		check(t, "a rolling restart of "+strings.Join(releases, " and ")+" fails no request", func() error {
			return n.faultless(g, func() error { return n.restart(releases...) })
		})
	}
	check(t, "without a drain delay it does", func() error {
		if err := n.upgrade("orders", "orders", "--set=config.drainDelaySeconds=0"); err != nil {
			return err
		}
		sum, err := g.during(4*steady, func() error { return n.restart("orders") })
		fmt.Println("             ", sum)
		if err == nil && sum.Failed == 0 {
			err = errors.New("none failed")
		}
		return errors.Join(err, n.upgrade("orders", "orders", "--set=config.drainDelaySeconds=5"))
	})
}

// faultless demands that no request fails while something happens, and none is
// answered without its user.
func (n namespace) faultless(g generator, do func() error) error {
	sum, err := g.during(steady, do)
	fmt.Println("             ", sum)
	if err == nil && sum.Failed+sum.Degraded+sum.Refused > 0 {
		err = fmt.Errorf("not all was well: %v", sum)
	}
	return err
}

// restart replaces every pod of some releases, and waits until none of the old
// ones is left.
func (n namespace) restart(releases ...string) error {
	var steps []func() error
	for _, release := range releases {
		steps = append(steps, func() error {
			return n.untilReplaced(release, func() error {
				return inOrder(
					func() error { return n.kubectl("rollout", "restart", "deployment/"+release).err },
					func() error { return n.kubectl("rollout", "status", "deployment/"+release, "--timeout=3m").err })
			})
		})
	}
	return atOnce(steps...)
}

// outage takes all pods of users away under load.
func outage(t *testing.T, n namespace, g generator) {
	check(t, "while users has no pod, reads are degraded, orders are refused within a second, and nothing fails", func() error {
		if err := n.takeAway("users"); err != nil {
			return err
		}
		sum, err := g.during(steady, n.ordersAreWell)
		fmt.Println("             ", sum)
		if err == nil && (sum.Failed > 0 || sum.Degraded == 0 || sum.Refused == 0 || len(sum.Created) > 0 || sum.P99 > 1000) {
			err = fmt.Errorf("not as it has to be: %v", sum)
		}
		return errors.Join(err, n.ordersAreWell())
	})
	check(t, "five seconds after users is back, all is well", func() error {
		return inOrder(
			func() error { return n.kubectl("scale", "deployment", "users", "--replicas=3").err },
			func() error {
				return n.kubectl("wait", "deployment/users", "--for=jsonpath={.status.readyReplicas}=1", "--timeout=1m").err
			},
			func() error {
				time.Sleep(5 * time.Second)
				return n.faultless(g, func() error { return nil })
			})
	})
}

// ordersAreWell demands that every pod of orders is ready and none was
// restarted.
func (n namespace) ordersAreWell() error {
	pods, err := n.pods("orders")
	for _, p := range pods {
		if !p.isReady() || p.restarts() > 0 {
			err = errors.Join(err, fmt.Errorf("%s is not ready, or was restarted", p.Metadata.Name))
		}
	}
	return err
}
