//go:build e2e

package e2e

import (
	"errors"
	"fmt"
	"math"
	"strconv"
	"strings"
	"testing"
	"time"
)

const (
	// chartMemory is the memory limit of the charts, in mebibytes, and pinnedMemory is
	// nine tenths of it.
	chartMemory  = 256
	pinnedMemory = "230MiB"
	// resizePatience is the time within which a process must follow its pod's limits.
	resizePatience = 15 * time.Second
)

// verifyResizes changes the resources of a pod of orders while it serves.
func verifyResizes(t *testing.T, r *resilience) {
	r.verify(t, scenario{
		name: "an orders pod resized, its memory limit to 512, 192 and 256 MiB and its CPU limit to 3 and 2",
		requirement: "Go's memory limit is nine tenths of the pod's and GOMAXPROCS follows, each ≤ 15 s later; " +
			"0 restarts, 0 failed, degraded or refused",
		run: r.resizeUnderLoad,
		controls: []control{{
			without: "following: GOMEMLIMIT is set",
			disable: func() error { return r.upgradeAndReplace("orders", extraEnv("GOMEMLIMIT", pinnedMemory)) },
		}},
	})
}

// resizeUnderLoad resizes a pod of orders under load, and requires that its process
// follows.
func (r *resilience) resizeUnderLoad() (measured string, err error) {
	pods, err := r.pods("orders")
	if err != nil || len(pods) == 0 {
		return "", errors.Join(err, errors.New("orders has no pod"))
	}
	cores, err := r.cores(pods[0].Spec.NodeName)
	if err != nil {
		return "", err
	}
	restarts, err := r.restarts("orders")
	if err != nil {
		return "", err
	}
	var took []string
	report, err := r.during(fewRequests, func() error {
		return r.throughPod(pods[0], "5002", func(s service) (err error) {
			took, err = r.resizeInTurn(pods[0].Metadata.Name, cores, s)
			return err
		})
	})
	measured = fmt.Sprintf("%s on a node with %d cores; %v", strings.Join(took, ", "), cores, report)
	return measured, errors.Join(err, report.expectNoneUnsuccessful(), r.expectReadyWithoutRestarts("orders", restarts))
}

// resizeInTurn resizes a pod several times, and returns how long its process took to
// follow each time. The last limits are those of the chart.
func (n namespace) resizeInTurn(pod string, cores int, s service) (took []string, err error) {
	for _, mebibytes := range []int{2 * chartMemory, chartMemory * 3 / 4, chartMemory} {
		want := math.Floor(0.9 * float64(mebibytes<<20))
		seconds, err := n.resize(pod, s, "memory", fmt.Sprint(mebibytes, "Mi"), "go_gc_gomemlimit_bytes", want)
		took = append(took, fmt.Sprintf("%d MiB followed after %.1f s", mebibytes, seconds))
		if err != nil {
			return took, err
		}
	}
	for _, limit := range []int{3, 2} {
		// Go uses at least two processors if the machine has them, whatever the limit.
		want := float64(min(cores, limit))
		seconds, err := n.resize(pod, s, "cpu", strconv.Itoa(limit), "go_sched_gomaxprocs_threads", want)
		took = append(took, fmt.Sprintf("%d CPUs after %.1f s", limit, seconds))
		if err != nil {
			return took, err
		}
	}
	return took, nil
}

// resize sets a limit of a pod of orders, and returns after how many seconds a metric of its process
// has the value that follows from it.
func (n namespace) resize(pod string, s service, resource, limit, metric string, want float64) (seconds float64, err error) {
	patch := fmt.Sprintf(`{"spec": {"containers": [{"name": "orders", "resources": {"limits": {%q: %q}}}]}}`, resource, limit)
	if err := n.kubectl("patch", "pod", pod, "--subresource=resize", "--patch="+patch).err; err != nil {
		return 0, err
	}
	start := time.Now()
	err = eventually(resizePatience, func() error {
		got, err := s.metricValue(metric)
		return errors.Join(err, require(math.Abs(got-want) <= 1, "%s is %.0f instead of %.0f", metric, got, want))
	})
	return time.Since(start).Seconds(), err
}

// metricValue returns the value of a metric without labels.
func (s service) metricValue(name string) (value float64, err error) {
	found := false
	err = s.metricLines(func(line string) {
		if text, ok := strings.CutPrefix(line, name+" "); ok {
			value, _ = strconv.ParseFloat(text, 64)
			found = true
		}
	})
	if err == nil && !found {
		err = errors.New("there is no metric " + name)
	}
	return value, err
}

// cores returns the number of processors of a node.
func (n namespace) cores(node string) (int, error) {
	r := n.kubectl("get", "node", node, "--output=jsonpath={.status.capacity.cpu}")
	if r.err != nil {
		return 0, r.err
	}
	return strconv.Atoi(strings.TrimSpace(r.stdout))
}
