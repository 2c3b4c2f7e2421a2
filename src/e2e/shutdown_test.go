//go:build e2e

package e2e

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os/exec"
	"strings"
	"testing"
	"time"
)

// verifyTelemetryOfDeletedPods deletes pods immediately after their last response. It
// runs the production image of orders.
func verifyTelemetryOfDeletedPods(t *testing.T, o *observed) {
	const requests = 200
	must(t, "orders exports its traces only when it shuts down", func() error {
		return o.upgradeAndReplace("orders",
			productionValues("OTEL_BSP_SCHEDULE_DELAY", "600000", "OTEL_BSP_MAX_EXPORT_BATCH_SIZE", "2048")...)
	})
	check(t, fmt.Sprintf("a pod that is deleted after %d requests leaves a trace, a log line and a count of each", requests), func() error {
		left, err := o.callAndDelete(requests, 15*time.Second)
		if err == nil && (left.traces != requests || left.logLines != requests || left.count != requests) {
			err = fmt.Errorf("the pod left %+v", left)
		}
		return err
	})
	check(t, "a pod without time to export leaves no trace, but its log lines and a count", func() error {
		left, err := o.callAndDelete(requests, 5*time.Second, "--grace-period=1")
		if err == nil && (left.traces != 0 || left.logLines != requests || left.count == 0) {
			err = fmt.Errorf("the pod left %+v", left)
		}
		return err
	})
	check(t, "Prometheus' discovery by Endpoints finds a draining pod by the Service for metrics only", o.checkMetricsEndpoints)
	check(t, "a pod terminates in time without a collector", func() error {
		return inOrder(
			func() error { return o.kubectl("scale", "deployment", "collector", "--replicas=0").err },
			func() error {
				return o.kubectl("wait", "pod", "--selector=app.kubernetes.io/name=collector", "--for=delete", "--timeout=1m").err
			},
			o.expectTerminationInTime,
			func() error { return o.kubectl("scale", "deployment", "collector", "--replicas=1").err },
			func() error { return o.kubectl("rollout", "status", "deployment/collector", "--timeout=1m").err })
	})
}

// checkMetricsEndpoints creates the Service that a ServiceMonitor selects, deletes a
// pod of orders, and compares the Endpoints while the pod drains. The Prometheus
// operator discovers by Endpoints unless it is told otherwise.
func (o *observed) checkMetricsEndpoints() error {
	pods, err := o.pods("orders")
	if err != nil {
		return err
	}
	pod := pods[0].Metadata.Name
	return inOrder(
		func() error {
			service := o.helm("template", "orders", "charts/orders", "--set=serviceMonitor.enabled=true",
				"--show-only=templates/service-metrics.yaml")
			return errors.Join(service.err, runWithInput(service.stdout, "kubectl", "--namespace="+string(o.namespace), "apply", "--filename=-").err)
		},
		func() error {
			return eventually(time.Minute, func() error { return o.expectEndpoint("orders-metrics", pod, true) })
		},
		func() error { return o.kubectl("delete", "pod", pod, "--wait=false").err },
		func() error {
			return eventually(4*time.Second, func() error { return o.expectEndpoint("orders", pod, false) })
		},
		func() error { return o.expectEndpoint("orders-metrics", pod, true) },
		func() error { return o.kubectl("rollout", "status", "deployment/orders", "--timeout=2m").err })
}

// expectEndpoint requires that a pod is, or is not, among the addresses of a
// Service's Endpoints.
func (n namespace) expectEndpoint(service, pod string, want bool) error {
	found := n.kubectl("get", "endpoints", service, "--output=jsonpath={.subsets[*].addresses[*].targetRef.name}")
	if found.err != nil {
		return found.err
	}
	return require(strings.Contains(found.stdout, pod) == want, "the Endpoints of %s are %q; %s is among them: %t",
		service, found.stdout, pod, !want)
}

// podTelemetry is the telemetry of some requests that a deleted pod left: the number
// of traces and log lines, and the requests that Prometheus counted.
type podTelemetry struct{ traces, logLines, count int }

// callAndDelete sends sampled requests to one pod of orders, deletes the pod after
// the last response, and collects its telemetry.
func (o *observed) callAndDelete(requests int, timeout time.Duration, deleteFlags ...string) (left podTelemetry, err error) {
	pods, err := o.pods("orders")
	if err != nil {
		return left, err
	}
	pod := pods[0].Metadata.Name
	readLog := o.followLog(pod)
	calls, err := o.callPod(pod, requests)
	err = errors.Join(err, o.kubectl(append([]string{"delete", "pod", pod}, deleteFlags...)...).err)
	log := readLog()
	if err != nil {
		return left, err
	}
	// Waits for traces that may still arrive. The caller decides how many it expects.
	_ = eventually(timeout, func() error {
		if left, err = o.podTelemetry(pod, log, calls); err == nil && left.traces < requests {
			return errors.New("traces are missing")
		}
		return err
	})
	return left, errors.Join(err, o.kubectl("rollout", "status", "deployment/orders", "--timeout=2m").err)
}

// callPod sends sampled requests to one pod of orders.
func (n namespace) callPod(pod string, requests int) (calls []tracedCall, err error) {
	s, err := n.forward("pod/"+pod, "5002")
	if err != nil {
		return nil, err
	}
	defer s.stop()
	for range requests {
		call := tracedCall{newHexID(16), true}
		calls = append(calls, call)
		err = errors.Join(err, s.getDetails(call))
	}
	return calls, err
}

// followLog starts to read a pod's log. The returned function waits until the log
// ends, and returns it.
func (n namespace) followLog(pod string) (readAll func() string) {
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Minute)
	command := exec.CommandContext(ctx, "kubectl", "--namespace="+string(n), "logs", pod, "--follow", "--tail=-1")
	var out bytes.Buffer
	command.Stdout = &out
	if err := command.Start(); err != nil {
		cancel()
		return func() string { return err.Error() }
	}
	return func() string {
		defer cancel()
		_ = command.Wait()
		return out.String()
	}
}

// podTelemetry counts the telemetry of calls to a pod.
func (o *observed) podTelemetry(pod, log string, calls []tracedCall) (left podTelemetry, err error) {
	for _, call := range calls {
		found, err := o.trace(call.traceID)
		if err != nil {
			return left, err
		}
		for _, s := range found.Spans {
			if s.OperationName == "GET /orders/{id}/details" {
				left.traces++
			}
		}
		left.logLines += strings.Count(log, `"trace_id":"`+call.traceID+`"`)
	}
	series := `http_server_request_duration_seconds_count{pod="` + pod + `",http_route="/orders/{id}/details"}`
	counts, err := o.query("sum(last_over_time(" + series + "[5m]))")
	if err == nil && len(counts) == 1 {
		left.count = int(counts[0].value)
	}
	return left, err
}

// expectTerminationInTime deletes a pod that has traces to export while there is no
// collector.
func (o *observed) expectTerminationInTime() error {
	// The charts' drain delay, the 3 s for the last export, and 7 s to stop the container.
	const limit = (5 + 3 + 7) * time.Second
	pods, err := o.pods("orders")
	if err != nil {
		return err
	}
	pod := pods[0].Metadata.Name
	_, err = o.callPod(pod, 20)
	started := time.Now()
	err = errors.Join(err, o.kubectl("delete", "pod", pod).err)
	if took := time.Since(started); err == nil && took > limit {
		err = fmt.Errorf("the termination took %v", took)
	}
	return errors.Join(err, o.kubectl("rollout", "status", "deployment/orders", "--timeout=2m").err)
}
