//go:build e2e

package e2e

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"testing"
	"time"
)

// timeScale shortens the time ranges of the rules: five minutes become three
// seconds, one hour becomes 36 seconds.
const timeScale = "0.01"

// faultPort is the port on which a pod of an image with the test hooks accepts
// faults, on loopback only.
const faultPort = "5099"

// TestObservability compares the metrics, traces, logs and alerts of both services
// with the requests that the test sent. It installs two pods of each service on
// PostgreSQL, and the development stack.
//
// Each group can run alone: `make e2e E2E_RUN=TestObservability/alerts`. The first
// groups run the production images, and those that inject faults the images with the
// test hooks. The last two give users, and then orders, the production image again.
func TestObservability(t *testing.T) {
	n := newNamespace(t, "observed")
	must(t, "install PostgreSQL", func() error { return run("k8s/postgres/install.sh", string(n)).err })
	must(t, "install users and orders with telemetry", func() error {
		return inOrder(func() error { return n.installWithTelemetry("users") }, func() error { return n.installWithTelemetry("orders") })
	})
	// After the services: otherwise it takes a minute until the kubelet updates the
	// rules in Prometheus' volume.
	must(t, "install collector, Jaeger and Prometheus", func() error { return run("k8s/observability/install.sh", string(n)).err })
	o := &observed{namespace: n}
	must(t, "forward the ports of Prometheus and Jaeger", func() (err error) {
		if o.prometheus, err = n.forward("service/prometheus", "9090"); err != nil {
			return err
		}
		o.jaeger, err = n.forward("service/jaeger", "16686")
		return err
	})
	defer o.prometheus.stop()
	defer o.jaeger.stop()
	for _, group := range []struct {
		name         string
		injectFaults bool
		verify       func(*testing.T, *observed)
	}{
		{"metrics", false, verifyMetrics},
		{"traces", false, verifyTraces},
		{"panels", false, verifyPanels},
		{"metrics of faults", true, verifyMetricsOfFaults},
		{"traces of retries", true, verifyTracesOfRetries},
		{"queries", true, verifyQueries},
		{"alerts", true, verifyAlerts},
		{"traces without propagation", false, verifyTracesWithoutPropagation},
		{"deleted pods", false, verifyTelemetryOfDeletedPods},
	} {
		t.Run(group.name, func(t *testing.T) {
			if group.injectFaults {
				must(t, "users and orders run the images with the test hooks", o.enableFaults)
			}
			group.verify(t, o)
		})
	}
}

func (n namespace) installWithTelemetry(release string) error {
	return n.install(release, release, "--values=k8s/observability/values.yaml", "--set=replicaCount=2", "--set=config.seedDemoData=true",
		"--set=database.existingSecret="+release+"-database", "--set=prometheusRule.timeScale="+timeScale)
}

// observed is a namespace with both services and the development stack.
type observed struct {
	namespace
	prometheus, jaeger service
}

// enableFaults gives both services the image with the test hooks, with its fault port
// open, unless they have it.
func (o *observed) enableFaults() error {
	enable := func(release string) func() error {
		return func() error {
			enabled, err := o.usesTestHooks(release)
			if err != nil || enabled {
				return err
			}
			values, err := testHooksValues(release, faultPortVariable, faultPort)
			if err != nil {
				return err
			}
			return o.upgradeAndReplace(release, values...)
		}
	}
	return concurrently(enable("users"), enable("orders"))
}

// getJSON requests a path and decodes the JSON response.
func (s service) getJSON(path string, into any) error {
	response, err := http.Get(s.url + path)
	if err != nil {
		return err
	}
	defer response.Body.Close()
	if response.StatusCode != http.StatusOK {
		return fmt.Errorf("%s returned %s", path, response.Status)
	}
	return json.NewDecoder(response.Body).Decode(into)
}

// sample is one element of an instant vector of Prometheus.
type sample struct {
	labels map[string]string
	value  float64
}

// query evaluates a PromQL expression now.
func (o *observed) query(expression string) (samples []sample, err error) {
	var response struct {
		Data struct {
			Result []struct {
				Metric map[string]string
				Value  [2]any
			}
		}
	}
	err = o.prometheus.getJSON("/api/v1/query?query="+url.QueryEscape(expression), &response)
	for _, element := range response.Data.Result {
		text, _ := element.Value[1].(string)
		value, parseErr := strconv.ParseFloat(text, 64)
		err = errors.Join(err, parseErr)
		samples = append(samples, sample{element.Metric, value})
	}
	return samples, err
}

// forEachPod forwards a port of each pod of a release and runs do for all of them at
// the same time.
func (n namespace) forEachPod(release, port string, do func(service) error) error {
	return n.forEachPodByName(release, port, func(_ string, s service) error { return do(s) })
}

// forEachPodByName is forEachPod with the pod's name.
func (n namespace) forEachPodByName(release, port string, do func(pod string, s service) error) error {
	pods, err := n.pods(release)
	if err != nil {
		return err
	}
	var steps []func() error
	for _, p := range pods {
		steps = append(steps, func() error {
			return n.throughPod(p, port, func(s service) error { return do(p.Metadata.Name, s) })
		})
	}
	return concurrently(steps...)
}

// setFault injects a fault such as "status=503" into every pod of a release; an
// empty fault ends it.
func (n namespace) setFault(release, fault string) error {
	return n.forEachPod(release, faultPort, func(s service) error { return s.setFault(fault) })
}

// setFault injects a fault into the pod whose fault port is forwarded; an empty
// fault ends it.
func (s service) setFault(fault string) error {
	method := http.MethodPut
	if fault == "" {
		method = http.MethodDelete
	}
	request, err := http.NewRequest(method, s.url+"/fault?"+fault, http.NoBody)
	if err != nil {
		return err
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return err
	}
	defer response.Body.Close()
	if response.StatusCode != http.StatusNoContent {
		return fmt.Errorf("%s /fault returned %s", method, response.Status)
	}
	return nil
}

// withFault runs do while every pod of a release has a fault.
func (n namespace) withFault(release, fault string, do func() error) error {
	return errors.Join(n.setFault(release, fault), do(), n.setFault(release, ""))
}

// repeatRequests requests a path repeatedly, with a pause between two requests, until
// stop is called.
func (s service) repeatRequests(path string, pause time.Duration) (stop func()) {
	done := make(chan struct{})
	go func() {
		for {
			select {
			case <-done:
				return
			case <-time.After(pause):
				if response, err := http.Get(s.url + path); err == nil {
					_ = response.Body.Close()
				}
			}
		}
	}()
	return func() { close(done) }
}
