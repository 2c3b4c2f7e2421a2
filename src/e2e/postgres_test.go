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

// TestPostgreSQL installs both charts with two pods each on PostgreSQL.
func TestPostgreSQL(t *testing.T) {
	t.Parallel()
	n := newNamespace(t, "postgres")
	must(t, "install PostgreSQL", func() error { return run("k8s/postgres/install.sh", string(n)).err })
	must(t, "install users by the documented command for PostgreSQL, and orders, with two ready pods each", func() error {
		return inOrder(
			func() error {
				return n.readmeHelm("helm upgrade --install users", "--set=config.seedDemoData=true", "--wait", "--timeout=3m")
			},
			func() error {
				return n.install("orders", "orders",
					"--set=replicaCount=2", "--set=config.seedDemoData=true", "--set=database.existingSecret=orders-database")
			})
	})
	check(t, "the two pods of each release are on different nodes", func() error {
		return errors.Join(n.expectDifferentNodes("users"), n.expectDifferentNodes("orders"))
	})
	check(t, "the pods have no service account token, a numeric user and a read-only root file system", n.checkPodSecurity)
	check(t, "the PodDisruptionBudget of each release allows one disruption", func() error {
		return errors.Join(n.expectOneDisruptionAllowed("users"), n.expectOneDisruptionAllowed("orders"))
	})
	check(t, "the documented curl commands succeed through forwarded ports", n.readmeCurl)
	check(t, "the Helm tests pass", func() error { return n.runHelmTests("users", "orders") })
	t.Run("load balancing", func(t *testing.T) { checkLoadBalancing(t, n) })
	t.Run("another namespace", func(t *testing.T) { checkOtherNamespace(t, n) })
	t.Run("network policies", func(t *testing.T) { checkNetworkPolicies(t, n) })
}

func (n namespace) expectDifferentNodes(release string) error {
	pods, err := n.pods(release)
	if err == nil && (len(pods) != 2 || pods[0].Spec.NodeName == pods[1].Spec.NodeName) {
		err = fmt.Errorf("the pods of %s: %+v", release, pods)
	}
	return err
}

func (n namespace) expectOneDisruptionAllowed(release string) error {
	allowed := n.kubectl("get", "poddisruptionbudget", release, "--output=jsonpath={.status.disruptionsAllowed}")
	if allowed.err == nil && allowed.stdout != "1" {
		return fmt.Errorf("the PodDisruptionBudget of %s allows %s disruptions", release, allowed.stdout)
	}
	return allowed.err
}

// checkLoadBalancing calls one pod of orders many times, and counts the requests
// that each pod of users serves and the DNS queries of orders.
func checkLoadBalancing(t *testing.T, n namespace) {
	const calls = 400
	var queries int
	var served map[string]requestsOfOrders
	must(t, "orders responds to "+strconv.Itoa(calls)+" calls with the order and its user", func() error {
		orders, err := n.pods("orders")
		if err != nil {
			return err
		}
		s, err := n.debugShell(orders[0].Metadata.Name, "dns")
		if err != nil {
			return err
		}
		served, err = n.userRequestsDuring(func() (err error) {
			queries, err = s.udpDatagramsDuring(func() error { return n.getDetails(orders[0].Metadata.Name, calls) })
			return err
		})
		return err
	})
	logDetail("%d calls: %d DNS queries, %.3f per call; calls, and IDs in them, of each pod of users: %v",
		calls, queries, float64(queries)/calls, served)
	check(t, "orders sends less than one DNS query per ten calls", func() error {
		if queries*10 >= calls {
			return fmt.Errorf("orders sent %d DNS queries", queries)
		}
		return nil
	})
	check(t, "each pod of users serves at least a tenth of the calls to users", func() error {
		var all int
		for _, count := range served {
			all += count.calls
		}
		for pod, count := range served {
			if count.calls*10 < all {
				return fmt.Errorf("%s served %d of %d", pod, count.calls, all)
			}
		}
		return nil
	})
}

// getDetails requests order details from one pod of orders. It sends several
// requests at the same time: the balancer sends sequential calls to the fastest pod
// of users only. On a busy machine a few calls to users may time out, so up to one
// in twenty responses may lack the user.
func (n namespace) getDetails(pod string, calls int) error {
	const concurrency = 8
	orders, err := n.forward("pod/"+pod, "5002")
	if err != nil {
		return err
	}
	defer orders.stop()
	var degraded atomic.Int64
	client := func() error {
		for range calls / concurrency {
			details, err := orders.call("GET", "/orders/1/details", "", 200)
			if err != nil {
				return err
			}
			if details["communication_status"] != "success" {
				degraded.Add(1)
			}
		}
		return nil
	}
	err = concurrently(slices.Repeat([]func() error{client}, concurrency)...)
	if allowed := int64(calls / 20); err == nil && degraded.Load() > allowed {
		err = fmt.Errorf("%d responses lacked the user", degraded.Load())
	}
	return err
}

// checkOtherNamespace installs orders in another namespace than users.
func checkOtherNamespace(t *testing.T, n namespace) {
	other := newNamespace(t, "other")
	must(t, "install orders in another namespace than users", func() error {
		return other.install("orders", "orders", "--set=users.namespace="+string(n))
	})
	check(t, "its Helm test fails, because the NetworkPolicy of users rejects it", func() error {
		return other.expectHelmTestFailure("orders", "FAIL the users service is healthy")
	})
	check(t, "its Helm test passes when the NetworkPolicy of users allows that namespace", func() error {
		peers := `[{"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": "` + string(other) + `"}}}]`
		return inOrder(
			func() error { return n.upgrade("users", "users", "--set-json=networkPolicy.allowFrom="+peers) },
			func() error {
				return eventually(time.Minute, func() error { return other.runHelmTests("orders") })
			})
	})
}
