//go:build e2e

package e2e

import (
	"errors"
	"fmt"
	"math"
	"testing"
	"time"
)

// manyPods is more addresses than a DNS response over UDP has room for.
const manyPods = 150

// verifyAddresses replaces the pods of users by very many. It runs with the controls
// only, since that many pods take minutes to start.
func verifyAddresses(t *testing.T, r *resilience) {
	if !controlsEnabled() {
		return
	}
	r.verify(t, scenario{
		name: fmt.Sprintf("users with %d pods, and ten of them killed", manyPods),
		requirement: "the busiest pod is asked for ≤ 1.5 × the users of the idlest; " +
			"0 failed, degraded or refused, also while ten are dead",
		run:      r.balanceManyPods,
		controls: []control{r.withPlainClient("", "", r.balanceManyPods)},
	})
}

// balanceManyPods measures the shares of very many pods, and then kills ten of them
// under load.
func (r *resilience) balanceManyPods() (measured string, err error) {
	defer func() { err = errors.Join(err, r.endManyPods()) }()
	if err := r.startManyPods(); err != nil {
		return "", err
	}
	var received map[string]requestsOfOrders
	report, err := r.during(200*manyPods, func() (err error) {
		received, err = r.userRequestsDuring(func() error { time.Sleep(150 * time.Second); return nil })
		return err
	}, rate(2*defaultRate), "-posts=0")
	if err != nil {
		return "", err
	}
	lowest, highest := math.Inf(1), 0.0
	for _, count := range received {
		lowest, highest = min(lowest, float64(count.ids)), max(highest, float64(count.ids))
	}
	killed, err := r.killOfManyPods(10)
	return fmt.Sprintf("%.2f; %v; while ten are dead: %v", highest/max(lowest, 1), report, killed),
		errors.Join(err, report.expectNoneUnsuccessful(), killed.expectNoneUnsuccessful(),
			require(len(received) == manyPods, "%d pods are asked", len(received)), requireEvenShares(highest/max(lowest, 1), 1.5))
}

// killOfManyPods kills the processes of some pods of users under load.
func (r *resilience) killOfManyPods(n int) (loadReport, error) {
	pods, err := r.pods("users")
	if err != nil || len(pods) < n {
		return loadReport{}, errors.Join(err, fmt.Errorf("users has %d pods", len(pods)))
	}
	return r.during(manyRequests, func() error {
		var kills []func() error
		for _, p := range pods[:n] {
			kills = append(kills, func() error { return p.forEachProcess("kill -KILL") })
		}
		return concurrently(kills...)
	})
}

// startManyPods replaces the pods of users by very many with a store of their own, which
// the Services and the network policies treat as the others.
func (r *resilience) startManyPods() error {
	version, err := appVersion("users")
	if err != nil {
		return err
	}
	return inOrder(
		func() error {
			manifest := fmt.Sprintf(manyPodsManifest, manyPods, version)
			return runWithInput(manifest, "kubectl", "--namespace="+string(r.namespace), "apply", "--filename=-").err
		},
		func() error {
			return eventually(15*time.Minute, func() error {
				return r.kubectl("rollout", "status", "deployment/many-users", "--timeout=1m").err
			})
		},
		func() error { return r.kubectl("scale", "deployment/users", "--replicas=0").err },
		func() error { return r.waitForPodCount("users", manyPods) },
		r.waitUntilHealthy)
}

func (r *resilience) endManyPods() error {
	return inOrder(
		func() error { return r.kubectl("delete", "deployment/many-users", "--ignore-not-found").err },
		func() error { return eventually(5*time.Minute, func() error { return r.waitForPodCount("users", 0) }) },
		func() error { return r.restoreInstallation("users") })
}

// manyPodsManifest is a Deployment whose pods have the labels of those of the release
// users; its parameters are the number of pods and the version of the image.
const manyPodsManifest = `
apiVersion: apps/v1
kind: Deployment
metadata:
  name: many-users
spec:
  replicas: %d
  selector:
    matchLabels: {many: "true"}
  template:
    metadata:
      labels:
        many: "true"
        app.kubernetes.io/name: users
        app.kubernetes.io/instance: users
        app.kubernetes.io/component: server
    spec:
      automountServiceAccountToken: false
      enableServiceLinks: false
      securityContext: {runAsNonRoot: true, runAsUser: 65532, runAsGroup: 65532, fsGroup: 65532, seccompProfile: {type: RuntimeDefault}}
      containers:
        - name: users
          image: tandem/users:%s
          ports: [{name: http, containerPort: 5001}]
          env: [{name: DATA_DIR, value: /data}, {name: SEED_DEMO_DATA, value: "true"}]
          readinessProbe: {httpGet: {path: /health, port: http}, periodSeconds: 10}
          resources: {requests: {cpu: 1m, memory: 24Mi}}
          securityContext: {allowPrivilegeEscalation: false, readOnlyRootFilesystem: true, capabilities: {drop: [ALL]}}
          volumeMounts: [{name: data, mountPath: /data}]
      volumes: [{name: data, emptyDir: {}}]
`
