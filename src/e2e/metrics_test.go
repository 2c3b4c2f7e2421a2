//go:build e2e

package e2e

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"
)

// counted is how many requests there were, by method, route and status.
type counted map[string]int

// act is a request, and how it has to be counted.
type act struct {
	method, path, body string
	route, status      string
	mediaType          string        // JSON where it is empty
	fault              string        // on at every pod meanwhile
	patience           time.Duration // after which the client goes away; 0: it does not
}

func (a act) key() string { return a.method + " " + a.route + " " + a.status }

// acts are one of each kind that a service can answer; ok is a body that it
// takes. %d is a number that no other request has.
func acts(things, ok string) []act {
	list, one := "/"+things, "/"+things+"/{id}"
	return []act{
		{method: "GET", path: list, route: list, status: "200"},
		{method: "POST", path: list, body: ok, route: list, status: "201"},
		{method: "POST", path: list, body: `{}`, route: list, status: "400"},
		{method: "GET", path: "/nothing/%d", route: "unmatched", status: "404"},
		{method: "GET", path: list + "/99999999", route: one, status: "404"},
		{method: "DELETE", path: list, route: "unmatched", status: "405"},
		{method: "POST", path: list, body: `{"name": "` + strings.Repeat("x", 2<<20) + `"}`, route: list, status: "413"},
		{method: "POST", path: list, body: ok, mediaType: "text/plain", route: list, status: "415"},
		{method: "GET", path: list, route: list, status: "503", fault: "status=503"},
		{method: "GET", path: list, route: list, status: "500", fault: "panic=true"},
		{method: "GET", path: list, route: list, status: "499", fault: "delay=5s", patience: 200 * time.Millisecond},
	}
}

// metricsEqualTruth sends what it counts itself, and reads what both pods of a
// service, and Prometheus, have counted.
func metricsEqualTruth(t *testing.T, o *observed) {
	mixes := map[string][]act{
		"users": append(acts("users", `{"name": "Ada", "email": "ada-%d@example.com"}`),
			act{method: "POST", path: "/users", body: `{"name": "Juan", "email": "juan@email.com"}`, route: "/users", status: "409"}),
		"orders": append(acts("orders", `{"user_id": 1, "product": "Lamp %d", "quantity": 1, "price": 9.99}`),
			act{method: "PATCH", path: "/orders/1", body: `{"status": "pending"}`, route: "/orders/{id}", status: "409"}),
	}
	for _, release := range []string{"users", "orders"} {
		port := map[string]string{"users": "5001", "orders": "5002"}[release]
		var sent counted
		check(t, "the pods of "+release+" count exactly what a client sent, by route and status", func() (err error) {
			before, err := o.counts(release, port)
			if err != nil {
				return err
			}
			if sent, err = o.perform(release, port, mixes[release]); err != nil {
				return err
			}
			// The end of a request that its client has left is counted a moment later.
			return eventually(10*time.Second, func() error {
				after, err := o.counts(release, port)
				return errors.Join(err, differ(sent, after.less(before)))
			})
		})
		check(t, "Prometheus has the sum of what the pods of "+release+" counted, in classic and in native histograms", func() error {
			return eventually(20*time.Second, func() error { return o.prometheusAgrees(release, port) })
		})
	}
	check(t, "two thousand random paths add no series", o.randomPathsAddNothing)
	check(t, "the fault switch answers on its pod's loopback alone", o.faultsAreOutOfReach)
}

// less is what came to the counts since others.
func (c counted) less(before counted) counted {
	since := counted{}
	for key, count := range c {
		if count != before[key] {
			since[key] = count - before[key]
		}
	}
	return since
}

func differ(sent, got counted) error {
	if !maps.Equal(sent, got) {
		return fmt.Errorf("sent %v, counted %v", sent, got)
	}
	return nil
}

// perform sends each act of a mix some times to each pod of a release.
func (o *observed) perform(release, port string, mix []act) (counted, error) {
	const times = 5
	var mu sync.Mutex
	sent, number := counted{}, 0
	next := func(a act) int {
		mu.Lock()
		defer mu.Unlock()
		sent[a.key()]++
		number++
		return number
	}
	for _, a := range mix {
		err := o.withFault(release, a.fault, func() error {
			return o.eachPod(release, port, func(s service) error {
				for range times {
					if err := s.perform(a, next(a)); err != nil {
						return err
					}
				}
				return nil
			})
		})
		if err != nil {
			return nil, err
		}
	}
	return sent, nil
}

func (o *observed) withFault(release, fault string, do func() error) error {
	if fault == "" {
		return do()
	}
	return o.under(release, fault, do)
}

// perform sends a request, and demands the status that it is to be counted
// under, unless it goes away before.
func (s service) perform(a act, number int) error {
	ctx, cancel := context.Background(), context.CancelFunc(func() {})
	if a.patience > 0 {
		ctx, cancel = context.WithTimeout(ctx, a.patience)
	}
	defer cancel()
	numbered := strings.NewReplacer("%d", strconv.Itoa(number))
	request, err := http.NewRequestWithContext(ctx, a.method, s.url+numbered.Replace(a.path), strings.NewReader(numbered.Replace(a.body)))
	if err != nil {
		return err
	}
	if a.mediaType == "" {
		a.mediaType = "application/json"
	}
	request.Header.Set("Content-Type", a.mediaType)
	response, err := http.DefaultClient.Do(request)
	if a.patience > 0 && err != nil {
		return nil
	}
	if err != nil {
		return err
	}
	defer response.Body.Close()
	if got := strconv.Itoa(response.StatusCode); got != a.status {
		return fmt.Errorf("%s %s answered %s instead of %s", a.method, a.path, got, a.status)
	}
	_, err = io.Copy(io.Discard, response.Body)
	return err
}

// countLine is a line of a pod's metrics that counts requests.
var countLine = regexp.MustCompile(`^http_server_request_duration_seconds_count\{http_request_method="([^"]*)",http_response_status_code="([^"]*)",http_route="([^"]*)"\} (\d+)`)

// isCounted leaves out what probes and scrapers ask for.
func isCounted(route string) bool { return route != "/health" && route != "/metrics" }

// counts are the sums over the pods of a release.
func (n namespace) counts(release, port string) (counted, error) {
	var mu sync.Mutex
	sum := counted{}
	err := n.eachPod(release, port, func(s service) error {
		return s.metricLines(func(line string) {
			mu.Lock()
			defer mu.Unlock()
			if found := countLine.FindStringSubmatch(line); found != nil && isCounted(found[3]) {
				count, _ := strconv.Atoi(found[4])
				sum[found[1]+" "+found[3]+" "+found[2]] += count
			}
		})
	})
	return sum, err
}

func (s service) metricLines(each func(line string)) error {
	response, err := http.Get(s.url + "/metrics")
	if err != nil {
		return err
	}
	defer response.Body.Close()
	lines := bufio.NewScanner(response.Body)
	for lines.Scan() {
		each(lines.Text())
	}
	return lines.Err()
}

func (o *observed) prometheusAgrees(release, port string) error {
	want, err := o.counts(release, port)
	if err != nil {
		return err
	}
	const by = "sum by (http_request_method, http_route, http_response_status_code) "
	series := `http_server_request_duration_seconds%s{job="` + release + `"}`
	for _, expression := range []string{
		by + "(" + fmt.Sprintf(series, "_count") + ")",
		"histogram_count(" + by + "(" + fmt.Sprintf(series, "") + "))",
	} {
		samples, err := o.query(expression)
		if err != nil {
			return err
		}
		got := counted{}
		for _, s := range samples {
			if isCounted(s.labels["http_route"]) {
				got[s.labels["http_request_method"]+" "+s.labels["http_route"]+" "+s.labels["http_response_status_code"]] = int(s.value)
			}
		}
		if err := differ(want, got); err != nil {
			return fmt.Errorf("%s: %w", expression, err)
		}
	}
	return nil
}

func (o *observed) randomPathsAddNothing() error {
	const paths, atATime = 2000, 20
	return o.through("users", func(s service) error {
		series := func() (count int, err error) {
			err = s.metricLines(func(line string) {
				if !strings.HasPrefix(line, "#") {
					count++
				}
			})
			return count, err
		}
		// So that the series of the unmatched are there.
		if err := s.perform(act{method: "GET", path: "/nothing", status: "404"}, 0); err != nil {
			return err
		}
		before, err := series()
		if err != nil {
			return err
		}
		caller := func(i int) error {
			for j := range paths / atATime {
				if err := s.perform(act{method: "GET", path: "/%d/" + strconv.Itoa(i), status: "404"}, j); err != nil {
					return err
				}
			}
			return nil
		}
		var callers []func() error
		for i := range atATime {
			callers = append(callers, func() error { return caller(i) })
		}
		if err := atOnce(callers...); err != nil {
			return err
		}
		after, err := series()
		if err == nil && after != before {
			err = fmt.Errorf("there were %d series, and are %d", before, after)
		}
		return err
	})
}

// faultsAreOutOfReach tries the fault switch from within the network of its pod,
// where no policy stands in between.
func (o *observed) faultsAreOutOfReach() error {
	pods, err := o.pods("users")
	if err != nil {
		return err
	}
	s, err := o.shellIn(pods[0].Metadata.Name)
	if err != nil {
		return err
	}
	return errors.Join(
		s.reaches(target{"the fault switch by loopback", "127.0.0.1", 5099}, true),
		s.reaches(target{"the fault switch by the pod's address", pods[0].Status.PodIP, 5099}, false))
}
