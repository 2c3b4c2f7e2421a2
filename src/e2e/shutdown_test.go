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

// nothingIsLost deletes pods right after their last answer.
func nothingIsLost(t *testing.T, o *observed) {
	const requests = 200
	must(t, "orders exports its traces only when it ends", func() error {
		return o.replace("orders", `[{"name": "OTEL_BSP_SCHEDULE_DELAY", "value": "600000"}, {"name": "OTEL_BSP_MAX_EXPORT_BATCH_SIZE", "value": "2048"}]`)
	})
	check(t, fmt.Sprintf("%d requests and a deletion at once leave %d traces and log lines, and a count of %d", requests, requests, requests), func() error {
		left, err := o.askAndDelete(requests, 15*time.Second)
		if err == nil && (left.traces != requests || left.lines != requests || left.count != requests) {
			err = fmt.Errorf("%+v were left", left)
		}
		return err
	})
	check(t, "a pod that has no time to flush leaves no trace, but what it logged and counted", func() error {
		left, err := o.askAndDelete(requests, 5*time.Second, "--grace-period=1")
		if err == nil && (left.traces != 0 || left.lines != requests || left.count == 0) {
			err = fmt.Errorf("%+v were left", left)
		}
		return err
	})
	check(t, "without a collector a pod ends within its bounds all the same", func() error {
		return inOrder(
			func() error { return o.kubectl("scale", "deployment", "collector", "--replicas=0").err },
			func() error {
				return o.kubectl("wait", "pod", "--selector=app.kubernetes.io/name=collector", "--for=delete", "--timeout=1m").err
			},
			o.endsInTime,
			func() error { return o.kubectl("scale", "deployment", "collector", "--replicas=1").err },
			func() error { return o.kubectl("rollout", "status", "deployment/collector", "--timeout=1m").err })
	})
}

// remains are what a pod leaves behind.
type remains struct{ traces, lines, count int }

// askAndDelete sends traced requests to one pod of orders, deletes it when the
// last has been answered, and collects what it left.
func (o *observed) askAndDelete(requests int, patience time.Duration, flags ...string) (left remains, err error) {
	pods, err := o.pods("orders")
	if err != nil {
		return left, err
	}
	pod := pods[0].Metadata.Name
	log := o.follow(pod)
	calls, err := o.askPod(pod, requests)
	err = errors.Join(err, o.kubectl(append([]string{"delete", "pod", pod}, flags...)...).err)
	text := log()
	if err != nil {
		return left, err
	}
	// As long as more may come; how much is enough, the caller says.
	_ = eventually(patience, func() error {
		if left, err = o.remains(pod, text, calls); err == nil && left.traces < requests {
			return errors.New("traces are missing")
		}
		return err
	})
	return left, errors.Join(err, o.kubectl("rollout", "status", "deployment/orders", "--timeout=2m").err)
}

// askPod sends sampled requests to one pod of orders.
func (n namespace) askPod(pod string, requests int) (calls []asked, err error) {
	s, err := n.forward("pod/"+pod, "5002")
	if err != nil {
		return nil, err
	}
	defer s.stop()
	for range requests {
		calls = append(calls, asked{newID(16), true})
		err = errors.Join(err, s.details(calls[len(calls)-1]))
	}
	return calls, err
}

// follow reads a pod's log until its end.
func (n namespace) follow(pod string) (text func() string) {
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

func (o *observed) remains(pod, log string, calls []asked) (left remains, err error) {
	for _, call := range calls {
		found, err := o.trace(call.trace)
		if err != nil {
			return left, err
		}
		for _, s := range found.Spans {
			if s.OperationName == "GET /orders/{id}/details" {
				left.traces++
			}
		}
		left.lines += strings.Count(log, `"trace_id":"`+call.trace+`"`)
	}
	counts, err := o.query(`sum(last_over_time(http_server_request_duration_seconds_count{pod="` + pod + `",http_route="/orders/{id}/details"}[5m]))`)
	if err == nil && len(counts) == 1 {
		left.count = int(counts[0].value)
	}
	return left, err
}

// endsInTime deletes a pod that has traces to export and nobody to take them.
func (o *observed) endsInTime() error {
	// The charts' drain delay, the export's last three seconds, and some to stop the container.
	const bound = (5 + 3 + 7) * time.Second
	pods, err := o.pods("orders")
	if err != nil {
		return err
	}
	pod := pods[0].Metadata.Name
	_, err = o.askPod(pod, 20)
	began := time.Now()
	err = errors.Join(err, o.kubectl("delete", "pod", pod).err)
	if took := time.Since(began); err == nil && took > bound {
		err = fmt.Errorf("it took %v", took)
	}
	return errors.Join(err, o.kubectl("rollout", "status", "deployment/orders", "--timeout=2m").err)
}
