//go:build e2e

package e2e

import (
	"errors"
	"fmt"
	"strings"
	"testing"
)

// namespace is one of this run, with the restricted Pod Security Standard
// enforced.
type namespace string

// newNamespace makes a namespace that goes with the test. That of a test that
// failed stays, to be looked at, until the next run.
func newNamespace(t *testing.T, name string) namespace {
	t.Helper()
	n := namespace("e2e-" + thisRun + "-" + name)
	must(t, "there is a namespace "+string(n)+" that enforces the restricted Pod Security Standard", func() error {
		return inOrder(
			func() error { return kubectl("create", "namespace", string(n)).err },
			func() error {
				return kubectl("label", "namespace", string(n), mark+"=true", "pod-security.kubernetes.io/enforce=restricted").err
			})
	})
	t.Cleanup(func() {
		if t.Failed() {
			n.report()
			return
		}
		if err := kubectl("delete", "namespace", string(n), "--wait=false").err; err != nil {
			t.Error(err)
		}
	})
	return n
}

// report prints what tells why something failed.
func (n namespace) report() {
	for _, command := range [][]string{
		{"get", "all,networkpolicy,persistentvolumeclaim", "--output=wide"},
		{"get", "events", "--sort-by=.lastTimestamp"},
		{"describe", "pods"},
	} {
		fmt.Printf("--- %s: kubectl %s\n%s\n", n, strings.Join(command, " "), n.kubectl(command...).text)
	}
	for _, pod := range strings.Fields(n.kubectl("get", "pods", "--output=name").text) {
		fmt.Printf("--- %s: logs of %s\n%s\n", n, pod, n.kubectl("logs", pod, "--all-containers", "--tail=100").text)
		fmt.Printf("--- %s: logs of %s before its restart\n%s\n", n, pod, n.kubectl("logs", pod, "--all-containers", "--tail=30", "--previous").text)
	}
}

func (n namespace) kubectl(args ...string) result {
	return kubectl(append([]string{"--namespace=" + string(n)}, args...)...)
}

func (n namespace) helm(args ...string) result {
	return run(append([]string{"helm", "--namespace=" + string(n)}, args...)...)
}

// install installs a chart and waits until its pods are ready.
func (n namespace) install(release, chart string, flags ...string) error {
	return n.helm(append([]string{"install", release, "charts/" + chart, "--wait", "--timeout=3m"}, flags...)...).err
}

// upgrade changes some values of a release and waits until its pods are ready.
func (n namespace) upgrade(release, chart string, flags ...string) error {
	return n.helm(append([]string{"upgrade", release, "charts/" + chart, "--reuse-values", "--wait", "--timeout=3m"}, flags...)...).err
}

func (n namespace) helmTest(release string) result {
	return n.helm("test", release, "--timeout=90s", "--hide-notes")
}

// testsPass runs the Helm tests of releases at the same time.
func (n namespace) testsPass(releases ...string) error {
	var steps []func() error
	for _, release := range releases {
		steps = append(steps, func() error { return n.helmTest(release).err })
	}
	return atOnce(steps...)
}

// testFails demands that a release's Helm test fails, and that the pod stays
// with a log that says why.
func (n namespace) testFails(release, why string) error {
	if err := fails(n.helmTest(release), ""); err != nil {
		return err
	}
	log := n.kubectl("logs", release+"-test-api")
	if log.err == nil && !strings.Contains(log.text, why) {
		return fmt.Errorf("the log of the failed test does not say %q: %s", why, log.text)
	}
	return log.err
}

// takeAway leaves a release without pods.
func (n namespace) takeAway(release string) error {
	return inOrder(
		func() error { return n.kubectl("scale", "deployment", release, "--replicas=0").err },
		func() error {
			return n.kubectl("wait", "pod", "--selector="+servers(release), "--for=delete", "--timeout=1m").err
		})
}

// bringBack gives a release its one pod again.
func (n namespace) bringBack(release string) error {
	return n.scale(release, 1)
}

// servers selects the pods of a release that serve.
func servers(release string) string {
	return "app.kubernetes.io/component=server,app.kubernetes.io/instance=" + release
}

// replacePod deletes the only pod of a deployment and waits for the next one.
func (n namespace) replacePod(deployment string) error {
	old, err := n.onlyPod(deployment)
	if err != nil {
		return err
	}
	return inOrder(
		func() error { return n.kubectl("delete", "pod", old.Metadata.Name).err },
		func() error { return n.kubectl("rollout", "status", "deployment/"+deployment, "--timeout=2m").err })
}

// untilReplaced does what replaces the pods of a release, and waits until none
// of the old ones is left.
func (n namespace) untilReplaced(release string, do func() error) error {
	old, err := n.pods(release)
	if err != nil {
		return err
	}
	gone := []string{"wait", "--for=delete", "--timeout=1m"}
	for _, p := range old {
		gone = append(gone, "pod/"+p.Metadata.Name)
	}
	return inOrder(do, func() error { return n.kubectl(gone...).err })
}

// change upgrades a release to other values, and waits until no pod is left that
// has the old ones.
func (n namespace) change(release string, flags ...string) error {
	return n.untilReplaced(release, func() error { return n.upgrade(release, release, flags...) })
}

// pod is what tests read of a pod.
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

// pods are the pods of a release that serve, but for those that are to go.
func (n namespace) pods(release string) (pods []pod, err error) {
	var list struct{ Items []pod }
	if err := n.kubectl("get", "pods", "--selector="+servers(release), "--output=json").into(&list); err != nil {
		return nil, err
	}
	for _, p := range list.Items {
		if p.Metadata.DeletionTimestamp == "" {
			pods = append(pods, p)
		}
	}
	return pods, nil
}

func (n namespace) onlyPod(release string) (pod, error) {
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

// locked demands that a pod holds no token, runs as a number that is not root's
// and cannot write to its image.
func (p pod) locked() error {
	for _, volume := range p.Spec.Volumes {
		if strings.Contains(fmt.Sprint(volume), "serviceAccountToken") {
			return fmt.Errorf("%s has a token: %v", p.Metadata.Name, volume)
		}
	}
	if p.Spec.SecurityContext.RunAsUser == nil || *p.Spec.SecurityContext.RunAsUser == 0 {
		return errors.New(p.Metadata.Name + " runs as root or by a name")
	}
	for _, c := range p.Spec.Containers {
		if !c.SecurityContext.ReadOnlyRootFilesystem {
			return errors.New(p.Metadata.Name + " can write to its image")
		}
	}
	return nil
}
