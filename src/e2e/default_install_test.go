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

// untilLivenessFails is longer than the charts' liveness probes endure.
const untilLivenessFails = 40 * time.Second

// TestDefaultInstall installs the charts without any value, and a second pair
// beside it.
func TestDefaultInstall(t *testing.T) {
	t.Parallel()
	n := newNamespace(t, "default")
	must(t, "users and orders install by the README's lines, without any value, and are ready", func() error {
		return n.readmeHelm("helm install", "--wait", "--timeout=3m")
	})
	check(t, "the pods have no token, a numeric user and a read-only root", n.allLocked)
	check(t, "each says of which version and commit it is, as its image does", func() error {
		return errors.Join(n.isStamped("users"), n.isStamped("orders"))
	})
	check(t, "the namespace would refuse a pod that is not so", func() error {
		return fails(n.kubectl("run", "root", "--image=busybox:1.36"), "violates PodSecurity")
	})
	check(t, "no disruption budget makes a drain wait for the only pod", func() error {
		budgets := n.kubectl("get", "poddisruptionbudget", "--output=name")
		if budgets.err == nil && budgets.text != "" {
			return errors.New(budgets.text)
		}
		return budgets.err
	})
	check(t, "the README's Helm tests pass", func() error { return n.readmeHelm("helm test") })
	check(t, "the Helm tests pass again, and leave no pod", func() error {
		return inOrder(func() error { return n.testsPass("users", "orders") }, n.noTestPods)
	})
	sideBySide(t, n)
	dataSurvives(t, n)
	usersOutage(t, n)
	uninstall(t, n)
}

func (n namespace) allLocked() error {
	for _, release := range []string{"users", "orders"} {
		pods, err := n.pods(release)
		if err != nil || len(pods) == 0 {
			return errors.Join(err, errors.New("there is no pod of "+release))
		}
		for _, p := range pods {
			if err := p.locked(); err != nil {
				return err
			}
		}
	}
	return nil
}

func (n namespace) noTestPods() error {
	left := n.kubectl("get", "pods", "--selector=app.kubernetes.io/component=test", "--output=name")
	if left.err == nil && left.text != "" {
		return errors.New("left: " + left.text)
	}
	return left.err
}

// sideBySide installs a second pair of releases. Its users keep nothing on a
// volume, and its orders spell the address of users without the dot at the end:
// the control of two other checks.
func sideBySide(t *testing.T, n namespace) {
	must(t, "a second pair of releases installs beside the first", func() error {
		return inOrder(
			func() error { return n.install("shop-users", "users", "--set=persistence.enabled=false") },
			func() error {
				return n.install("shop-orders", "orders", "--set=persistence.enabled=false",
					"--set=users.url=http://shop-users-headless."+string(n)+".svc.cluster.local:5001")
			})
	})
	check(t, "the Helm tests of both pairs pass", func() error {
		return n.testsPass("users", "orders", "shop-users", "shop-orders")
	})
	check(t, "a user of one pair is unknown to the other", func() error {
		path, err := n.createUser("users")
		return errors.Join(err, n.get("users", path, 200), n.get("shop-users", path, 404))
	})
	check(t, "looking users up costs two DNS queries, and many without the dot at the end", n.lookUpsAreCheap)
}

// lookUpsAreCheap compares two pods that look users up equally often.
func (n namespace) lookUpsAreCheap() error {
	var with, without int
	count := func(release string, sent *int) func() error {
		return func() (err error) {
			p, err := n.onlyPod(release)
			if err != nil {
				return err
			}
			s, err := n.shellIn(p.Metadata.Name)
			if err != nil {
				return err
			}
			*sent, err = s.datagramsDuring(func() error { time.Sleep(20 * time.Second); return nil })
			return err
		}
	}
	err := atOnce(count("orders", &with), count("shop-orders", &without))
	fmt.Printf("              DNS queries in 20 s, with the dot: %d, without: %d\n", with, without)
	// One look-up in 5 s, and one may fall upon each end.
	if err == nil && (with == 0 || with > 2*6 || without < 3*with) {
		err = fmt.Errorf("%d queries with the dot, %d without", with, without)
	}
	return err
}

func dataSurvives(t *testing.T, n namespace) {
	check(t, "a user is still there when the pod is another", func() error {
		path, err := n.createUser("users")
		return errors.Join(err, n.replacePod("users"), n.get("users", path, 200))
	})
	check(t, "without the volume it would be gone", func() error {
		path, err := n.createUser("shop-users")
		return errors.Join(err, n.replacePod("shop-users"), n.get("shop-users", path, 404))
	})
}

// usersOutage takes users away for longer than liveness probes endure.
func usersOutage(t *testing.T, n namespace) {
	const wrongProbe = `[{"op": "replace", "path": "/spec/template/spec/containers/0/livenessProbe/httpGet/path", "value": "/nothing"}]`
	must(t, "users is broken on purpose", func() error {
		return inOrder(
			func() error { return n.takeAway("users") },
			func() error {
				return n.kubectl("patch", "deployment", "shop-orders", "--type=json", "--patch="+wrongProbe).err
			})
	})
	began := time.Now()
	check(t, "the Helm tests fail, and say why in the log of a pod that stays", func() error {
		return atOnce(
			func() error { return n.testFails("users", "FAIL users is healthy") },
			func() error { return n.testFails("orders", "FAIL users is healthy") })
	})
	check(t, "orders tells that users is away, and answers", func() error {
		return n.through("orders", func(s service) error {
			health, err := s.call("GET", "/health", "", 200)
			if err == nil && health["status"] != "degraded" {
				err = fmt.Errorf("health says %v", health)
			}
			_, refused := s.call("POST", "/orders", `{"user_id": 1, "product": "Laptop", "quantity": 1, "price": 1}`, 503)
			_, listed := s.call("GET", "/orders?expand=user", "", 200)
			return errors.Join(err, refused, listed)
		})
	})
	check(t, "orders stays ready and is not restarted", func() error {
		return throughout(untilLivenessFails-time.Since(began), n.ordersIsWell)
	})
	check(t, "a liveness probe that fails would have restarted it", func() error {
		return eventually(time.Minute, func() error {
			p, err := n.onlyPod("shop-orders")
			if err == nil && p.restarts() == 0 {
				err = errors.New("it was not restarted")
			}
			return err
		})
	})
	check(t, "with users back, the Helm test of users passes", func() error {
		return inOrder(
			func() error { return n.bringBack("users") },
			func() error { return n.testsPass("users") })
	})
}

func (n namespace) ordersIsWell() error {
	p, err := n.onlyPod("orders")
	switch {
	case err != nil:
		return err
	case !p.isReady():
		return errors.New("orders is not ready")
	case p.restarts() > 0:
		return errors.New("orders was restarted")
	default:
		return nil
	}
}

func uninstall(t *testing.T, n namespace) {
	path, err := n.createUser("users")
	if err != nil {
		t.Fatal(err)
	}
	check(t, "uninstalling leaves the claims and the failed test's pod alone", func() error {
		for _, release := range []string{"shop-orders", "shop-users", "orders", "users"} {
			if err := n.helm("uninstall", release, "--wait").err; err != nil {
				return err
			}
		}
		return eventually(time.Minute, func() error {
			left, err := n.everything()
			want := []string{"persistentvolumeclaim/orders", "persistentvolumeclaim/users", "pod/orders-test-api"}
			if err == nil && !slices.Equal(left, want) {
				err = fmt.Errorf("left: %v", left)
			}
			return err
		})
	})
	check(t, "installed again, users has its data again", func() error {
		return errors.Join(n.install("users", "users"), n.get("users", path, 200))
	})
}

// everything lists what is in the namespace, but for what every namespace has.
func (n namespace) everything() ([]string, error) {
	kinds := kubectl("api-resources", "--namespaced", "--verbs=list", "--output=name")
	if kinds.err != nil {
		return nil, kinds.err
	}
	var wanted []string
	for _, kind := range strings.Fields(kinds.text) {
		if !strings.HasPrefix(kind, "events") {
			wanted = append(wanted, kind)
		}
	}
	found := n.kubectl("get", strings.Join(wanted, ","), "--ignore-not-found", "--output=name")
	names := slices.DeleteFunc(strings.Fields(found.text), func(name string) bool {
		return name == "configmap/kube-root-ca.crt" || name == "serviceaccount/default"
	})
	slices.Sort(names)
	return names, found.err
}
