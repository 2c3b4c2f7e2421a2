//go:build e2e

package e2e

import (
	"errors"
	"fmt"
	"slices"
	"strconv"
	"sync/atomic"
	"testing"
	"time"
)

// TestPostgreSQLWithTwoReplicas installs both charts with two pods each.
func TestPostgreSQLWithTwoReplicas(t *testing.T) {
	t.Parallel()
	n := newNamespace(t, "postgres")
	must(t, "PostgreSQL installs", func() error { return run("k8s/postgres/install.sh", string(n)).err })
	must(t, "users installs by the README's line for PostgreSQL, and orders, with two ready pods each", func() error {
		return inOrder(
			func() error {
				return n.readmeHelm("helm upgrade --install", "--set=config.seedDemoData=true", "--wait", "--timeout=3m")
			},
			func() error {
				return n.install("orders", "orders", "--set=replicaCount=2", "--set=config.seedDemoData=true", "--set=database.existingSecret=orders-database")
			})
	})
	check(t, "the two pods of each are on distinct nodes", func() error {
		return errors.Join(n.onDistinctNodes("users"), n.onDistinctNodes("orders"))
	})
	check(t, "the pods have no token, a numeric user and a read-only root", n.allLocked)
	check(t, "an eviction may take one pod of each, and not the second", func() error {
		return errors.Join(n.admitsOneEviction("users"), n.admitsOneEviction("orders"))
	})
	check(t, "the README's curl lines answer through forwarded ports", n.readmeCurl)
	check(t, "the Helm tests pass", func() error { return n.testsPass("users", "orders") })
	balancing(t, n)
	otherNamespace(t, n)
	network(t, n)
}

func (n namespace) onDistinctNodes(release string) error {
	pods, err := n.pods(release)
	if err == nil && (len(pods) != 2 || pods[0].Spec.NodeName == pods[1].Spec.NodeName) {
		err = fmt.Errorf("the pods of %s: %+v", release, pods)
	}
	return err
}

// admitsOneEviction reads from the disruption budget how many pods may go.
func (n namespace) admitsOneEviction(release string) error {
	allowed := n.kubectl("get", "poddisruptionbudget", release, "--output=jsonpath={.status.disruptionsAllowed}")
	if allowed.err == nil && allowed.text != "1" {
		return fmt.Errorf("%s may lose %s pods", release, allowed.text)
	}
	return allowed.err
}

// balancing calls orders many times and looks at which pods of users that fell
// upon, and how often they had to be looked up.
func balancing(t *testing.T, n namespace) {
	const calls = 400
	var queries int
	var served map[string]int
	must(t, "orders answers "+strconv.Itoa(calls)+" calls with details from users", func() error {
		orders, err := n.pods("orders")
		if err != nil {
			return err
		}
		s, err := n.shellIn(orders[0].Metadata.Name)
		if err != nil {
			return err
		}
		served, err = n.askedDuring(func() (err error) {
			queries, err = s.datagramsDuring(func() error { return n.manyDetails(orders[0].Metadata.Name, calls) })
			return err
		})
		return err
	})
	fmt.Printf("              %d calls: %d DNS queries, %.3f a call; users' pods served %v\n", calls, queries, float64(queries)/calls, served)
	check(t, "a call costs less than a tenth of a DNS query", func() error {
		if queries*10 >= calls {
			return fmt.Errorf("%d queries", queries)
		}
		return nil
	})
	check(t, "both pods of users have their share of the calls", func() error {
		for pod, count := range served {
			if count < calls/10 {
				return fmt.Errorf("%s served %d", pod, count)
			}
		}
		return nil
	})
}

// manyDetails calls one pod of orders, some calls at once: whoever has one call
// at a time keeps to the quickest pod of users. On a machine that is too busy a
// few may miss their deadline, and are answered without their user.
func (n namespace) manyDetails(pod string, calls int) error {
	const atATime = 8
	orders, err := n.forward("pod/"+pod, "5002")
	if err != nil {
		return err
	}
	defer orders.stop()
	var degraded atomic.Int64
	caller := func() error {
		for range calls / atATime {
			answer, err := orders.call("GET", "/orders/1/details", "", 200)
			if err != nil {
				return err
			}
			if answer["communication_status"] != "success" {
				degraded.Add(1)
			}
		}
		return nil
	}
	err = atOnce(slices.Repeat([]func() error{caller}, atATime)...)
	if few := int64(calls / 20); err == nil && degraded.Load() > few {
		err = fmt.Errorf("%d answers had no user", degraded.Load())
	}
	return err
}

// otherNamespace runs orders in another namespace than users.
func otherNamespace(t *testing.T, n namespace) {
	other := newNamespace(t, "other")
	must(t, "orders installs in another namespace than users", func() error {
		return other.install("orders", "orders", "--set=users.namespace="+string(n))
	})
	check(t, "its Helm test fails, as users does not let it in", func() error {
		return other.testFails("orders", "FAIL users is healthy")
	})
	check(t, "its Helm test passes once users lets that namespace in", func() error {
		peers := `[{"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": "` + string(other) + `"}}}]`
		return inOrder(
			func() error { return n.upgrade("users", "users", "--set-json=networkPolicy.allowFrom="+peers) },
			func() error {
				return eventually(time.Minute, func() error { return other.testsPass("orders") })
			})
	})
}
