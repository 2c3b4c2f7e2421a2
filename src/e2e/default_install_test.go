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

// livenessTimeout is longer than a container can fail the charts' liveness probe
// before it is restarted.
const livenessTimeout = 40 * time.Second

// TestDefaultInstall installs both charts with their default values, and a second
// pair of releases in the same namespace. Each part of the test uses the releases
// as the previous part left them.
func TestDefaultInstall(t *testing.T) {
	t.Parallel()
	n := newNamespace(t, "default")
	must(t, "install users and orders by the documented commands, with default values, and wait until they are ready", func() error {
		return inOrder(
			func() error { return n.readmeHelm("helm install users", "--wait", "--timeout=3m") },
			func() error { return n.readmeHelm("helm install orders", "--wait", "--timeout=3m") })
	})
	check(t, "the pods have no service account token, a numeric user and a read-only root file system", n.checkPodSecurity)
	check(t, "/version of each service has the version and the commit of its image", func() error {
		return errors.Join(n.checkVersion("users"), n.checkVersion("orders"))
	})
	check(t, "the namespace rejects a pod that violates the Pod Security Standard", func() error {
		return expectFailure(n.kubectl("run", "root", "--image=busybox:1.36"), "violates PodSecurity")
	})
	check(t, "no PodDisruptionBudget blocks the eviction of the only pod", func() error {
		budgets := n.kubectl("get", "poddisruptionbudget", "--output=name")
		if budgets.err == nil && budgets.stdout != "" {
			return errors.New(budgets.stdout)
		}
		return budgets.err
	})
	check(t, "the documented Helm tests pass", func() error {
		return errors.Join(n.readmeHelm("helm test users"), n.readmeHelm("helm test orders"))
	})
	check(t, "the Helm tests pass again and leave no pod behind", func() error {
		return inOrder(func() error { return n.runHelmTests("users", "orders") }, n.expectNoTestPods)
	})
	check(t, "orders streams a copy of its SQLite file, in a pod without a shell", func() error {
		copied := n.kubectl("exec", "deployment/orders", "--", "/orders", "backup", "-")
		if copied.err == nil && !strings.HasPrefix(copied.stdout, "SQLite format 3\x00") {
			return fmt.Errorf("the copy begins with %.16q", copied.stdout)
		}
		return copied.err
	})
	checkSecondPair(t, n)
	checkPersistence(t, n)
	checkUsersOutage(t, n)
	checkUninstall(t, n)
}

// checkPodSecurity checks the security settings of every pod of both releases.
func (n namespace) checkPodSecurity() error {
	for _, release := range []string{"users", "orders"} {
		pods, err := n.pods(release)
		if err != nil || len(pods) == 0 {
			return errors.Join(err, errors.New(release+" has no pod"))
		}
		for _, p := range pods {
			if err := p.checkSecurity(); err != nil {
				return err
			}
		}
	}
	return nil
}

func (n namespace) expectNoTestPods() error {
	left := n.kubectl("get", "pods", "--selector=app.kubernetes.io/component=test", "--output=name")
	if left.err == nil && left.stdout != "" {
		return errors.New("pods of Helm tests are left: " + left.stdout)
	}
	return left.err
}

// checkSecondPair installs a second pair of releases. They are negative controls:
// shop-users has no persistent volume, and shop-orders has a URL of users without a
// trailing dot.
func checkSecondPair(t *testing.T, n namespace) {
	must(t, "install a second pair of releases in the same namespace", func() error {
		return inOrder(
			func() error { return n.install("shop-users", "users", "--set=persistence.enabled=false") },
			func() error {
				return n.install("shop-orders", "orders", "--set=persistence.enabled=false",
					"--set=users.url=http://shop-users-headless."+string(n)+".svc.cluster.local:5001")
			})
	})
	check(t, "the Helm tests of both pairs pass", func() error {
		return n.runHelmTests("users", "orders", "shop-users", "shop-orders")
	})
	check(t, "a user of the first pair does not exist in the second", func() error {
		path, err := n.createUser("users")
		return errors.Join(err, n.expectStatus("users", path, 200), n.expectStatus("shop-users", path, 404))
	})
	check(t, "resolving the name of users takes two DNS queries with a trailing dot, and many more without", n.compareDNSQueries)
}

// compareDNSQueries compares the DNS queries of two pods that resolve the name of
// users equally often.
func (n namespace) compareDNSQueries() error {
	var withDot, withoutDot int
	count := func(release string, queries *int) func() error {
		return func() (err error) {
			p, err := n.singlePod(release)
			if err != nil {
				return err
			}
			s, err := n.debugShell(p.Metadata.Name, "dns")
			if err != nil {
				return err
			}
			*queries, err = s.udpDatagramsDuring(func() error { time.Sleep(20 * time.Second); return nil })
			return err
		}
	}
	err := concurrently(count("orders", &withDot), count("shop-orders", &withoutDot))
	logDetail("DNS queries in 20 s, with the trailing dot: %d, without: %d", withDot, withoutDot)
	// Each resolution takes two queries. There is one every 5 s, and at most one more
	// at each end of the 20 s.
	if err == nil && (withDot == 0 || withDot > 2*6 || withoutDot < 3*withDot) {
		err = fmt.Errorf("%d DNS queries with the trailing dot, %d without", withDot, withoutDot)
	}
	return err
}

// checkPersistence replaces the pod of a users with a persistent volume, and of one
// without.
func checkPersistence(t *testing.T, n namespace) {
	check(t, "a user still exists after the pod was replaced", func() error {
		path, err := n.createUser("users")
		return errors.Join(err, n.replacePod("users"), n.expectStatus("users", path, 200))
	})
	check(t, "without the persistent volume, the user does not exist any more", func() error {
		path, err := n.createUser("shop-users")
		return errors.Join(err, n.replacePod("shop-users"), n.expectStatus("shop-users", path, 404))
	})
}

// checkUsersOutage scales users to zero for longer than livenessTimeout. As a
// negative control, the liveness probe of shop-orders fails meanwhile.
func checkUsersOutage(t *testing.T, n namespace) {
	const failingProbe = `[{"op": "replace", "path": "/spec/template/spec/containers/0/livenessProbe/httpGet/path", "value": "/nothing"}]`
	must(t, "scale users to zero, and make the liveness probe of shop-orders fail", func() error {
		return inOrder(
			func() error { return n.scaleToZero("users") },
			func() error {
				return n.kubectl("patch", "deployment", "shop-orders", "--type=json", "--patch="+failingProbe).err
			})
	})
	started := time.Now()
	check(t, "the Helm tests fail, and their pods stay with a log that contains the reason", func() error {
		return concurrently(
			func() error { return n.expectHelmTestFailure("users", "FAIL the users service is healthy") },
			func() error { return n.expectHelmTestFailure("orders", "FAIL the users service is healthy") })
	})
	check(t, "orders reports that its health is degraded, rejects new orders and lists orders", func() error {
		return n.through("orders", func(s service) error {
			health, err := s.call("GET", "/health", "", 200)
			if err == nil && health["status"] != "degraded" {
				err = fmt.Errorf("/health returned %v", health)
			}
			_, createErr := s.call("POST", "/orders", `{"user_id": 1, "product": "Laptop", "quantity": 1, "price": 1}`, 503)
			_, listErr := s.call("GET", "/orders?expand=user", "", 200)
			return errors.Join(err, createErr, listErr)
		})
	})
	check(t, "orders stays ready and is not restarted", func() error {
		return consistently(livenessTimeout-time.Since(started), n.expectOrdersReady)
	})
	check(t, "the failing liveness probe restarts shop-orders", func() error {
		return eventually(time.Minute, func() error {
			p, err := n.singlePod("shop-orders")
			if err == nil && p.restarts() == 0 {
				err = errors.New("shop-orders was not restarted")
			}
			return err
		})
	})
	check(t, "the Helm test of users passes when users is scaled to one again", func() error {
		return inOrder(
			func() error { return n.scale("users", 1) },
			func() error { return n.runHelmTests("users") })
	})
}

// expectOrdersReady returns an error unless the pod of orders is ready and was never
// restarted.
func (n namespace) expectOrdersReady() error {
	p, err := n.singlePod("orders")
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

// checkUninstall uninstalls every release, and installs users again.
func checkUninstall(t *testing.T, n namespace) {
	path, err := n.createUser("users")
	if err != nil {
		t.Fatal(err)
	}
	check(t, "uninstalling keeps the PersistentVolumeClaims and the pod of the failed Helm test, and nothing else", func() error {
		for _, release := range []string{"shop-orders", "shop-users", "orders", "users"} {
			if err := n.helm("uninstall", release, "--wait").err; err != nil {
				return err
			}
		}
		return eventually(time.Minute, func() error {
			left, err := n.listObjects()
			want := []string{"persistentvolumeclaim/orders", "persistentvolumeclaim/users", "pod/orders-test-api"}
			if err == nil && !slices.Equal(left, want) {
				err = fmt.Errorf("the namespace contains %v", left)
			}
			return err
		})
	})
	check(t, "users has its data when it is installed again", func() error {
		return errors.Join(n.install("users", "users"), n.expectStatus("users", path, 200))
	})
}

// listObjects returns the kinds and names of all objects in the namespace, without
// events and the objects that every namespace has.
func (n namespace) listObjects() ([]string, error) {
	resources := kubectl("api-resources", "--namespaced", "--verbs=list", "--output=name")
	if resources.err != nil {
		return nil, resources.err
	}
	var kinds []string
	for _, kind := range strings.Fields(resources.stdout) {
		if !strings.HasPrefix(kind, "events") {
			kinds = append(kinds, kind)
		}
	}
	found := n.kubectl("get", strings.Join(kinds, ","), "--ignore-not-found", "--output=name")
	names := slices.DeleteFunc(strings.Fields(found.stdout), func(name string) bool {
		return name == "configmap/kube-root-ca.crt" || name == "serviceaccount/default"
	})
	slices.Sort(names)
	return names, found.err
}
