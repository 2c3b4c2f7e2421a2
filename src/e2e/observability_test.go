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

// timeScale shortens the time spans of the rules: five minutes are three
// seconds, an hour is 36.
const timeScale = "0.01"

// faultPort is where a pod's fault switch listens, on loopback alone.
const faultPort = "5099"

// TestObservability compares what the pair tells of itself with what really
// happened: to two pods of each, on PostgreSQL, beside the development stack.
func TestObservability(t *testing.T) {
	n := newNamespace(t, "observed")
	must(t, "PostgreSQL installs", func() error { return run("k8s/postgres/install.sh", string(n)).err })
	must(t, "users and orders install, to be observed", func() error {
		return inOrder(func() error { return n.installObserved("users") }, func() error { return n.installObserved("orders") })
	})
	// After them, because the kubelet takes a minute to show it their rules otherwise.
	must(t, "collector, Jaeger and Prometheus install", func() error { return run("k8s/observability/install.sh", string(n)).err })
	o := &observed{namespace: n}
	must(t, "Prometheus and Jaeger answer", func() (err error) {
		if o.prometheus, err = n.forward("service/prometheus", "9090"); err != nil {
			return err
		}
		o.jaeger, err = n.forward("service/jaeger", "16686")
		return err
	})
	defer o.prometheus.stop()
	defer o.jaeger.stop()
	metricsEqualTruth(t, o)
	tracesAreWhole(t, o)
	dashboardsAreAlive(t, o)
	alertsFire(t, o)
	withoutPropagator(t, o)
	nothingIsLost(t, o)
}

func (n namespace) installObserved(release string) error {
	return n.install(release, release, "--values=k8s/observability/values.yaml", "--set=replicaCount=2", "--set=config.seedDemoData=true",
		"--set=database.existingSecret="+release+"-database", "--set=faults.enabled=true", "--set=prometheusRule.timeScale="+timeScale)
}

// observed is a namespace with the development stack in it.
type observed struct {
	namespace
	prometheus, jaeger service
}

// members asks a URL for JSON.
func (s service) members(target string, into any) error {
	response, err := http.Get(s.url + target)
	if err != nil {
		return err
	}
	defer response.Body.Close()
	if response.StatusCode != http.StatusOK {
		return fmt.Errorf("%s answers %s", target, response.Status)
	}
	return json.NewDecoder(response.Body).Decode(into)
}

// sample is one element of what Prometheus answers.
type sample struct {
	labels map[string]string
	value  float64
}

// query asks Prometheus for the values of an expression.
func (o *observed) query(expression string) (samples []sample, err error) {
	var answer struct {
		Data struct {
			Result []struct {
				Metric map[string]string
				Value  [2]any
			}
		}
	}
	err = o.prometheus.members("/api/v1/query?query="+url.QueryEscape(expression), &answer)
	for _, element := range answer.Data.Result {
		text, _ := element.Value[1].(string)
		value, broken := strconv.ParseFloat(text, 64)
		err = errors.Join(err, broken)
		samples = append(samples, sample{element.Metric, value})
	}
	return samples, err
}

// eachPod does something with each pod of a release, whose port is forwarded,
// at the same time.
func (n namespace) eachPod(release, port string, do func(service) error) error {
	return n.eachPodNamed(release, port, func(_ string, s service) error { return do(s) })
}

// eachPodNamed is eachPod with the pod's name.
func (n namespace) eachPodNamed(release, port string, do func(pod string, s service) error) error {
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
	return atOnce(steps...)
}

// replace upgrades a release to other environment variables, and waits until no
// pod is left that has the old ones.
func (n namespace) replace(release, variables string) error {
	return n.change(release, "--set-json=extraEnv="+variables)
}

// fault switches a fault such as "status=503" on at every pod of a release;
// an empty one switches it off.
func (n namespace) fault(release, query string) error {
	return n.eachPod(release, faultPort, func(s service) error { return s.fault(query) })
}

func (s service) fault(query string) error {
	method := http.MethodPut
	if query == "" {
		method = http.MethodDelete
	}
	request, err := http.NewRequest(method, s.url+"/fault?"+query, http.NoBody)
	if err != nil {
		return err
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return err
	}
	defer response.Body.Close()
	if response.StatusCode != http.StatusNoContent {
		return fmt.Errorf("the fault switch answers %s", response.Status)
	}
	return nil
}

// under does something while a fault is on at every pod of a release.
func (n namespace) under(release, fault string, do func() error) error {
	return errors.Join(n.fault(release, fault), do(), n.fault(release, ""))
}

// load calls a path again and again until it is stopped.
func (s service) load(path string, pause time.Duration) (stop func()) {
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
