//go:build e2e

package e2e

import (
	"errors"
	"fmt"
	"strings"
	"testing"
)

// namespace is the name of a namespace that enforces the restricted Pod Security
// Standard.
type namespace string

// newNamespace creates a namespace and deletes it at the end of the test. If the
// test failed, the namespace stays until the next run, so that it can be examined.
func newNamespace(t *testing.T, name string) namespace {
	t.Helper()
	n := namespace("e2e-" + runID + "-" + name)
	must(t, "create the namespace "+string(n)+", which enforces the restricted Pod Security Standard", func() error {
		return inOrder(
			func() error { return kubectl("create", "namespace", string(n)).err },
			func() error {
				return kubectl("label", "namespace", string(n), runLabel+"=true", "pod-security.kubernetes.io/enforce=restricted").err
			})
	})
	t.Cleanup(func() {
		if t.Failed() {
			n.printDiagnostics()
			return
		}
		if err := kubectl("delete", "namespace", string(n), "--wait=false").err; err != nil {
			t.Error(err)
		}
	})
	return n
}

// printDiagnostics prints the objects, events and logs of the namespace.
func (n namespace) printDiagnostics() {
	for _, command := range [][]string{
		{"get", "all,networkpolicy,persistentvolumeclaim", "--output=wide"},
		{"get", "events", "--sort-by=.lastTimestamp"},
		{"describe", "pods"},
	} {
		fmt.Printf("--- %s: kubectl %s\n%s\n", n, strings.Join(command, " "), n.kubectl(command...).stdout)
	}
	for _, pod := range strings.Fields(n.kubectl("get", "pods", "--output=name").stdout) {
		logs := n.kubectl("logs", pod, "--all-containers", "--tail=100")
		fmt.Printf("--- %s: logs of %s\n%s\n", n, pod, logs.stdout)
		previous := n.kubectl("logs", pod, "--all-containers", "--tail=30", "--previous")
		fmt.Printf("--- %s: logs of %s before its restart\n%s\n", n, pod, previous.stdout)
	}
}

func (n namespace) kubectl(args ...string) commandResult {
	return kubectl(append([]string{"--namespace=" + string(n)}, args...)...)
}

func (n namespace) helm(args ...string) commandResult {
	return run(append([]string{"helm", "--namespace=" + string(n)}, args...)...)
}

// install installs a chart and waits until its pods are ready.
func (n namespace) install(release, chart string, flags ...string) error {
	return n.helm(append([]string{"install", release, "charts/" + chart, "--wait", "--timeout=3m"}, flags...)...).err
}

// upgrade changes values of a release, keeps its other values, and waits until its
// pods are ready.
func (n namespace) upgrade(release, chart string, flags ...string) error {
	args := []string{"upgrade", release, "charts/" + chart, "--reset-then-reuse-values", "--wait", "--timeout=3m"}
	return n.helm(append(args, flags...)...).err
}

// upgradeAndReplace upgrades a release that has the name of its chart, and waits
// until all of its previous pods are deleted.
func (n namespace) upgradeAndReplace(release string, flags ...string) error {
	return n.waitForReplacement(release, func() error { return n.upgrade(release, release, flags...) })
}

func (n namespace) helmTest(release string) commandResult {
	return n.helm("test", release, "--timeout=90s")
}

// runHelmTests runs the Helm tests of releases at the same time.
func (n namespace) runHelmTests(releases ...string) error {
	var steps []func() error
	for _, release := range releases {
		steps = append(steps, func() error { return n.helmTest(release).err })
	}
	return concurrently(steps...)
}

// expectHelmTestFailure returns an error unless a release's Helm test fails, and
// its pod stays with a log that contains the reason.
func (n namespace) expectHelmTestFailure(release, reason string) error {
	if err := expectFailure(n.helmTest(release), ""); err != nil {
		return err
	}
	log := n.kubectl("logs", release+"-test-api")
	if log.err == nil && !strings.Contains(log.stdout, reason) {
		return fmt.Errorf("the log of the failed Helm test does not contain %q: %s", reason, log.stdout)
	}
	return log.err
}

// scaleToZero scales a release to zero and waits until its pods are deleted.
func (n namespace) scaleToZero(release string) error {
	return inOrder(
		func() error { return n.kubectl("scale", "deployment", release, "--replicas=0").err },
		func() error {
			return n.kubectl("wait", "pod", "--selector="+serverSelector(release), "--for=delete", "--timeout=1m").err
		})
}

// serverSelector selects the pods of a release's Deployment, but not those of its
// Helm test.
func serverSelector(release string) string {
	return "app.kubernetes.io/component=server,app.kubernetes.io/instance=" + release
}

// replacePod deletes the only pod of a deployment and waits until its replacement
// is ready.
func (n namespace) replacePod(deployment string) error {
	old, err := n.singlePod(deployment)
	if err != nil {
		return err
	}
	return inOrder(
		func() error { return n.kubectl("delete", "pod", old.Metadata.Name).err },
		func() error { return n.kubectl("rollout", "status", "deployment/"+deployment, "--timeout=2m").err })
}

// waitForReplacement runs a step that replaces the pods of a release, and waits
// until all previous pods are deleted.
func (n namespace) waitForReplacement(release string, step func() error) error {
	old, err := n.pods(release)
	if err != nil {
		return err
	}
	waitForDeletion := []string{"wait", "--for=delete", "--timeout=1m"}
	for _, p := range old {
		waitForDeletion = append(waitForDeletion, "pod/"+p.Metadata.Name)
	}
	return inOrder(step, func() error { return n.kubectl(waitForDeletion...).err })
}

// pod holds the fields of a pod that the tests read.
type pod struct {
	Metadata struct {
		Name              string
		DeletionTimestamp string
	}
	Spec struct {
		NodeName        string
		SecurityContext struct{ RunAsUser *int }
		Volumes         []map[string]any
		Containers      []struct {
			SecurityContext struct{ ReadOnlyRootFilesystem bool }
		}
	}
	Status struct {
		PodIP             string
		Conditions        []struct{ Type, Status string }
		ContainerStatuses []struct{ RestartCount int }
	}
}

// pods returns the pods of a release's Deployment, without those that are
// terminating.
func (n namespace) pods(release string) (pods []pod, err error) {
	var list struct{ Items []pod }
	if err := n.kubectl("get", "pods", "--selector="+serverSelector(release), "--output=json").decode(&list); err != nil {
		return nil, err
	}
	for _, p := range list.Items {
		if p.Metadata.DeletionTimestamp == "" {
			pods = append(pods, p)
		}
	}
	return pods, nil
}

func (n namespace) singlePod(release string) (pod, error) {
	pods, err := n.pods(release)
	if err == nil && len(pods) != 1 {
		err = fmt.Errorf("%s has %d pods instead of one", release, len(pods))
	}
	if err != nil {
		return pod{}, err
	}
	return pods[0], nil
}

func (p pod) isReady() bool {
	for _, c := range p.Status.Conditions {
		if c.Type == "Ready" {
			return c.Status == "True"
		}
	}
	return false
}

func (p pod) restarts() (sum int) {
	for _, c := range p.Status.ContainerStatuses {
		sum += c.RestartCount
	}
	return sum
}

// checkSecurity returns an error unless a pod has no service account token, a
// numeric user other than root, and a read-only root file system.
func (p pod) checkSecurity() error {
	for _, volume := range p.Spec.Volumes {
		if strings.Contains(fmt.Sprint(volume), "serviceAccountToken") {
			return fmt.Errorf("%s has a service account token: %v", p.Metadata.Name, volume)
		}
	}
	if p.Spec.SecurityContext.RunAsUser == nil || *p.Spec.SecurityContext.RunAsUser == 0 {
		return errors.New(p.Metadata.Name + " has no numeric user or runs as root")
	}
	for _, c := range p.Spec.Containers {
		if !c.SecurityContext.ReadOnlyRootFilesystem {
			return errors.New(p.Metadata.Name + " has a writable root file system")
		}
	}
	return nil
}
