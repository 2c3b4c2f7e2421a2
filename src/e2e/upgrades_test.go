//go:build e2e

package e2e

import (
	"bytes"
	"context"
	"errors"
	"os/exec"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// verifyUpgrades upgrades and rolls back orders while something besides Helm sets the
// number of its pods.
func verifyUpgrades(t *testing.T, r *resilience) {
	r.verify(t, scenario{
		name:        "an autoscaler raises orders to 4 pods; `helm upgrade`, `helm rollback`, and autoscaling turned off",
		requirement: "4 pods all the time, 0 failed, degraded or refused",
		run:         r.upgradeAutoscaled,
	})
	r.verify(t, scenario{
		name:        "`kubectl scale` of orders to 4; `helm upgrade`, `helm rollback`, and the documented remedies",
		requirement: "Helm 4 reports the conflict and the remedies work, never fewer than 3 pods, 0 failed, degraded or refused",
		run:         r.upgradeScaled,
	})
}

// autoscaledTo4 are the values of an autoscaler that goes to four pods under any load
// and does not go back.
var autoscaledTo4 = []string{
	"--set=autoscaling.enabled=true", "--set=autoscaling.minReplicas=3", "--set=autoscaling.maxReplicas=4",
	"--set=autoscaling.targetCPUUtilizationPercentage=1", "--set=autoscaling.behavior.scaleDown.selectPolicy=Disabled",
}

// upgradeAutoscaled requires that no upgrade and no rollback changes the number that
// an autoscaler has set, and that every request is successful.
func (r *resilience) upgradeAutoscaled() (string, error) {
	installed, err := r.revision("orders")
	if err != nil {
		return "", err
	}
	report, err := r.during(0, func() error {
		return inOrder(
			func() error { return r.upgrade("orders", "orders", autoscaledTo4...) },
			func() error { return r.waitForReplicas("orders", func(n int) bool { return n == 4 }) },
			r.waitForRollouts,
			func() error {
				return r.keepsReplicas("orders", []string{"4"}, func() error {
					return inOrder(r.upgradeAndRollBackAutoscaled, func() error { return r.returnTo("orders", installed) })
				})
			})
	})
	return report.String(), errors.Join(err, r.restoreInstallation("orders"), report.expectNoneUnsuccessful())
}

// upgradeAndRollBackAutoscaled replaces the pods by two upgrades and a rollback, and
// turns autoscaling off and on.
func (r *resilience) upgradeAndRollBackAutoscaled() error {
	if err := r.relabel("orders", "first"); err != nil {
		return err
	}
	first, err := r.revision("orders")
	if err != nil {
		return err
	}
	return inOrder(
		func() error { return r.relabel("orders", "second") },
		func() error { return r.rollBack("orders", first) },
		func() error { return r.upgrade("orders", "orders", "--set=autoscaling.enabled=false") },
		func() error { return r.rollBack("orders", first) })
}

// upgradeScaled scales orders beside Helm. Helm 4 must report the conflict; Helm 3
// sets its number. Then the remedies of docs/kubernetes.md must work. It begins with
// another replicaCount, because the number is left to others since autoscaling was
// turned off.
func (r *resilience) upgradeScaled() (string, error) {
	version, err := helmMajorVersion()
	if err != nil {
		return "", err
	}
	report, err := r.during(0, func() error {
		return r.keepsReplicas("orders", []string{"3", "4"}, func() error { return r.scaleBesideHelm(version != "3") })
	})
	return report.String(), errors.Join(err, r.restoreInstallation("orders"), report.expectNoneUnsuccessful())
}

func (r *resilience) scaleBesideHelm(conflicts bool) error {
	err := inOrder(
		func() error { return r.scale("orders", 4) },
		func() error { return r.relabel("orders", "four", "--set=replicaCount=4") })
	if err != nil {
		return err
	}
	four, err := r.revision("orders")
	if err != nil {
		return err
	}
	return inOrder(
		func() error { return r.scale("orders", 3) },
		func() error {
			if !conflicts {
				return nil
			}
			return r.expectConflicts(four)
		},
		func() error { return r.relabel("orders", "three", "--set=replicaCount=3") },
		func() error { return r.scale("orders", 4) },
		func() error { return r.rollBack("orders", four) })
}

// expectConflicts requires that upgrades of orders and a rollback to a revision fail,
// because something else has set the number of pods, and do not change the pods.
func (r *resilience) expectConflicts(revision string) error {
	const conflict = ".spec.replicas"
	before := r.generations()
	upgrade := []string{"upgrade", "orders", "charts/orders", "--reset-then-reuse-values", "--set-string=podLabels.revision=conflict"}
	return inOrder(
		func() error { return expectFailure(r.helm(upgrade...), conflict) },
		func() error {
			return expectFailure(r.helm(append(upgrade, "--rollback-on-failure", "--timeout=1m")...), conflict)
		},
		func() error { return expectFailure(r.helm("rollback", "orders", revision), conflict) },
		func() error {
			return require(r.generations() == before, "the Deployments have changed: %s, before %s", r.generations(), before)
		})
}

// relabel upgrades a release with another label of its pods, which replaces them.
func (n namespace) relabel(release, label string, flags ...string) error {
	return n.upgradeAndReplace(release, append(flags, "--set-string=podLabels.revision="+label)...)
}

// rollBack rolls a release back to a revision, and waits until its pods are ready.
func (n namespace) rollBack(release, revision string) error {
	return n.helm("rollback", release, revision, "--wait", "--timeout=3m").err
}

// returnTo upgrades a release to the values of an earlier revision. This is what
// docs/kubernetes.md recommends instead of a rollback that would change the number of
// pods.
func (n namespace) returnTo(release, revision string) error {
	values := n.helm("get", "values", release, "--revision="+revision, "--output=yaml")
	if values.err != nil {
		return values.err
	}
	return runWithInput(values.stdout, "helm", "--namespace="+string(n), "upgrade", release, "charts/"+release,
		"--reset-values", "--values=-", "--wait", "--timeout=3m").err
}

// revision returns the last revision of a release.
func (n namespace) revision(release string) (string, error) {
	var history []struct{ Revision int }
	if err := n.helm("history", release, "--max=1", "--output=json").decode(&history); err != nil {
		return "", err
	}
	return strconv.Itoa(history[len(history)-1].Revision), nil
}

// keepsReplicas requires that the number of a Deployment's pods, each time that it is
// set while a step runs, is one of the allowed.
func (n namespace) keepsReplicas(deployment string, allowed []string, step func() error) error {
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	var seen bytes.Buffer
	watch := exec.CommandContext(ctx, "kubectl", "--namespace="+string(n), "get", "deployment", deployment,
		"--watch", `--output=jsonpath={.spec.replicas}{"\n"}`)
	watch.Stdout = &seen
	if err := watch.Start(); err != nil {
		return err
	}
	err := step()
	cancel()
	_ = watch.Wait() // ends by the cancellation
	numbers := slices.Compact(strings.Fields(seen.String()))
	logDetail("numbers of pods: %v", numbers)
	unexpected := slices.ContainsFunc(numbers, func(number string) bool { return !slices.Contains(allowed, number) })
	return errors.Join(err, require(len(numbers) > 0 && !unexpected, "the numbers of pods are %v", numbers))
}

// helmMajorVersion returns the major version of Helm, such as 4.
func helmMajorVersion() (string, error) {
	version := run("helm", "version", "--template={{.Version}}")
	major, _, _ := strings.Cut(strings.TrimPrefix(version.stdout, "v"), ".")
	return major, version.err
}
