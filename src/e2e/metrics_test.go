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

// requestCounts are numbers of requests by method, route and status.
type requestCounts map[string]int

// testRequest is a request, and the labels that the service must count it with.
type testRequest struct {
	method, path, body string // %d in path and body becomes a number that no other request has
	route, status      string
	mediaType          string        // application/json if empty
	fault              string        // of every pod during the request; empty: none
	timeout            time.Duration // after which the client closes the connection; 0: none
}

func (r testRequest) key() string { return r.method + " " + r.route + " " + r.status }

// successesAndClientErrors returns one request for each status below 500 that both
// services can return. validBody is a body that creates a resource.
func successesAndClientErrors(resources, validBody string) []testRequest {
	list, item := "/"+resources, "/"+resources+"/{id}"
	return []testRequest{
		{method: "GET", path: list, route: list, status: "200"},
		{method: "POST", path: list, body: validBody, route: list, status: "201"},
		{method: "POST", path: list, body: `{}`, route: list, status: "400"},
		{method: "GET", path: "/nothing/%d", route: "unmatched", status: "404"},
		{method: "GET", path: list + "/99999999", route: item, status: "404"},
		{method: "DELETE", path: list, route: "unmatched", status: "405"},
		{method: "POST", path: list, body: `{"name": "` + strings.Repeat("x", 2<<20) + `"}`, route: list, status: "413"},
		{method: "POST", path: list, body: validBody, mediaType: "text/plain", route: list, status: "415"},
	}
}

// faultRequests returns one request for each status that only a fault causes.
func faultRequests(resources string) []testRequest {
	list := "/" + resources
	return []testRequest{
		{method: "GET", path: list, route: list, status: "503", fault: "status=503"},
		{method: "GET", path: list, route: list, status: "500", fault: "panic=true"},
		{method: "GET", path: list, route: list, status: "499", fault: "delay=5s", timeout: 200 * time.Millisecond},
	}
}

// verifyMetrics sends requests, and compares their counts with the metrics of the
// pods and of Prometheus.
func verifyMetrics(t *testing.T, o *observed) {
	verifyCounts(t, o, "without faults", map[string][]testRequest{
		"users": append(successesAndClientErrors("users", `{"name": "Ada", "email": "ada-%d@example.com"}`),
			testRequest{method: "POST", path: "/users", body: `{"name": "Juan", "email": "juan@email.com"}`, route: "/users", status: "409"}),
		"orders": append(successesAndClientErrors("orders", `{"user_id": 1, "product": "Lamp %d", "quantity": 1, "price": 9.99}`),
			testRequest{method: "PATCH", path: "/orders/1", body: `{"status": "pending"}`, route: "/orders/{id}", status: "409"}),
	})
	check(t, "2000 random paths create no new time series", o.expectNoSeriesForRandomPaths)
	check(t, "Prometheus scrapes the collector, Jaeger and itself, and the collector passes spans on", o.expectStackMetrics)
}

// expectStackMetrics returns an error unless Prometheus has the metrics of the
// development stack.
func (o *observed) expectStackMetrics() error {
	return eventually(time.Minute, func() error {
		for _, job := range []string{"collector", "jaeger", "prometheus"} {
			up, err := o.query(`up{job="` + job + `"} == 1`)
			if err != nil || len(up) != 1 {
				return errors.Join(err, fmt.Errorf("%d targets of %s are up", len(up), job))
			}
		}
		for _, metric := range []string{"otelcol_receiver_accepted_spans", "otelcol_exporter_sent_spans"} {
			received, err := o.query(`sum({__name__=~"` + metric + `.*", job="collector"}) > 0`)
			if err != nil || len(received) != 1 {
				return errors.Join(err, errors.New("the collector has no "+metric))
			}
		}
		return nil
	})
}

// verifyMetricsOfFaults is verifyMetrics for requests that fail because of a fault.
func verifyMetricsOfFaults(t *testing.T, o *observed) {
	verifyCounts(t, o, "with faults", map[string][]testRequest{"users": faultRequests("users"), "orders": faultRequests("orders")})
	check(t, "a pod accepts faults on its loopback only", o.expectFaultPortOnLoopback)
}

func verifyCounts(t *testing.T, o *observed, kind string, requests map[string][]testRequest) {
	for _, release := range []string{"users", "orders"} {
		port := map[string]string{"users": "5001", "orders": "5002"}[release]
		check(t, "the pods of "+release+" count exactly the requests that a client sent "+kind+", by route and status", func() (err error) {
			before, err := o.requestCounts(release, port)
			if err != nil {
				return err
			}
			sent, err := o.sendAll(release, port, requests[release])
			if err != nil {
				return err
			}
			// A request whose client closed the connection is counted a moment later.
			return eventually(10*time.Second, func() error {
				after, err := o.requestCounts(release, port)
				return errors.Join(err, expectEqual(sent, after.minus(before)))
			})
		})
		check(t, "Prometheus has the counts of the pods of "+release+" "+kind+", in classic and in native histograms", func() error {
			return eventually(20*time.Second, func() error { return o.expectPrometheusCounts(release, port) })
		})
	}
}

// minus returns the counts that differ from those before, as differences.
func (c requestCounts) minus(before requestCounts) requestCounts {
	difference := requestCounts{}
	for key, count := range c {
		if count != before[key] {
			difference[key] = count - before[key]
		}
	}
	return difference
}

func expectEqual(want, got requestCounts) error {
	if !maps.Equal(want, got) {
		return fmt.Errorf("the counts are %v instead of %v", got, want)
	}
	return nil
}

// sendAll sends each request five times to each pod of a release, and returns the
// number of requests that it sent.
func (o *observed) sendAll(release, port string, requests []testRequest) (requestCounts, error) {
	const times = 5
	var mu sync.Mutex
	sent, number := requestCounts{}, 0
	count := func(r testRequest) int {
		mu.Lock()
		defer mu.Unlock()
		sent[r.key()]++
		number++
		return number
	}
	for _, r := range requests {
		send := func() error {
			return o.forEachPod(release, port, func(s service) error {
				for range times {
					if err := s.send(r, count(r)); err != nil {
						return err
					}
				}
				return nil
			})
		}
		if r.fault != "" {
			sendWithoutFault := send
			send = func() error { return o.withFault(release, r.fault, sendWithoutFault) }
		}
		if err := send(); err != nil {
			return nil, err
		}
	}
	return sent, nil
}

// send sends a request, and returns an error unless the response has the expected
// status or the client closes the connection before.
func (s service) send(r testRequest, number int) error {
	ctx, cancel := context.Background(), context.CancelFunc(func() {})
	if r.timeout > 0 {
		ctx, cancel = context.WithTimeout(ctx, r.timeout)
	}
	defer cancel()
	numbered := strings.NewReplacer("%d", strconv.Itoa(number))
	request, err := http.NewRequestWithContext(ctx, r.method, s.url+numbered.Replace(r.path), strings.NewReader(numbered.Replace(r.body)))
	if err != nil {
		return err
	}
	if r.mediaType == "" {
		r.mediaType = "application/json"
	}
	request.Header.Set("Content-Type", r.mediaType)
	response, err := http.DefaultClient.Do(request)
	if r.timeout > 0 && err != nil {
		return nil
	}
	if err != nil {
		return err
	}
	defer response.Body.Close()
	if status := strconv.Itoa(response.StatusCode); status != r.status {
		return fmt.Errorf("%s %s returned status %s instead of %s", r.method, r.path, status, r.status)
	}
	_, err = io.Copy(io.Discard, response.Body)
	return err
}

// requestCount matches the lines of a pod's metrics that count requests.
var requestCount = regexp.MustCompile(`^http_server_request_duration_seconds_count\{` +
	`http_request_method="([^"]*)",http_response_status_code="([^"]*)",http_route="([^"]*)"\} (\d+)`)

// isForTests reports whether only the test requests a route: probes and scrapers
// request the others.
func isForTests(route string) bool { return route != "/health" && route != "/metrics" }

// requestCounts returns the sums of the counts of all pods of a release.
func (n namespace) requestCounts(release, port string) (requestCounts, error) {
	var mu sync.Mutex
	sum := requestCounts{}
	err := n.forEachPod(release, port, func(s service) error {
		return s.metricLines(func(line string) {
			mu.Lock()
			defer mu.Unlock()
			if found := requestCount.FindStringSubmatch(line); found != nil && isForTests(found[3]) {
				count, _ := strconv.Atoi(found[4])
				sum[found[1]+" "+found[3]+" "+found[2]] += count
			}
		})
	})
	return sum, err
}

// metricLines calls each for every line of /metrics.
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

// expectPrometheusCounts returns an error unless Prometheus has the same counts as
// the pods of a release together.
func (o *observed) expectPrometheusCounts(release, port string) error {
	want, err := o.requestCounts(release, port)
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
		got := requestCounts{}
		for _, s := range samples {
			if isForTests(s.labels["http_route"]) {
				got[s.labels["http_request_method"]+" "+s.labels["http_route"]+" "+s.labels["http_response_status_code"]] = int(s.value)
			}
		}
		if err := expectEqual(want, got); err != nil {
			return fmt.Errorf("%s: %w", expression, err)
		}
	}
	return nil
}

// expectNoSeriesForRandomPaths requests random paths, and returns an error if the
// number of time series of a pod of users changes.
func (o *observed) expectNoSeriesForRandomPaths() error {
	const paths, concurrency = 2000, 20
	return o.through("users", func(s service) error {
		// Creates the series of unmatched requests.
		if err := s.send(testRequest{method: "GET", path: "/nothing", status: "404"}, 0); err != nil {
			return err
		}
		before, err := s.countSeries()
		if err != nil {
			return err
		}
		var clients []func() error
		for i := range concurrency {
			clients = append(clients, func() error {
				for j := range paths / concurrency {
					if err := s.send(testRequest{method: "GET", path: "/%d/" + strconv.Itoa(i), status: "404"}, j); err != nil {
						return err
					}
				}
				return nil
			})
		}
		if err := concurrently(clients...); err != nil {
			return err
		}
		after, err := s.countSeries()
		if err == nil && after != before {
			err = fmt.Errorf("the number of series was %d and is %d", before, after)
		}
		return err
	})
}

// countSeries returns the number of time series of /metrics.
func (s service) countSeries() (count int, err error) {
	err = s.metricLines(func(line string) {
		if !strings.HasPrefix(line, "#") {
			count++
		}
	})
	return count, err
}

// expectFaultPortOnLoopback connects to the fault port from the network namespace of
// its pod, where no NetworkPolicy applies.
func (o *observed) expectFaultPortOnLoopback() error {
	pods, err := o.pods("users")
	if err != nil {
		return err
	}
	s, err := o.debugShell(pods[0].Metadata.Name, "faults")
	if err != nil {
		return err
	}
	port, err := strconv.Atoi(faultPort)
	return errors.Join(err,
		s.expectReachable(endpoint{"the fault port on loopback", "127.0.0.1", port}, true),
		s.expectReachable(endpoint{"the fault port on the pod's address", pods[0].Status.PodIP, port}, false))
}
