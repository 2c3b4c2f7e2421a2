//go:build e2e

package e2e

import (
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"
)

// tracedCall is a request whose trace id and sampling flag the client chose.
type tracedCall struct {
	traceID string
	sampled bool
}

// expectedTrace is the expected trace of a request for order details, as drawSpans
// draws it. Without propagation, it has only the spans of orders.
const (
	expectedTrace = expectedTraceOfOrders + `
--- users-service server GET /users/{id} 200
---- users-service client SELECT users`
	expectedTraceOfOrders = `
- orders-service server GET /orders/{id}/details 200
-- orders-service client SELECT orders
-- orders-service client GET /users/{id} 200`
)

// verifyTraces sends requests with trace context, and examines traces, logs and
// exemplars.
func verifyTraces(t *testing.T, o *observed) {
	const requests = 504 // a multiple of the number of concurrent clients
	var calls []tracedCall
	must(t, fmt.Sprintf("orders responds to %d requests with trace context, every second one sampled", requests), func() (err error) {
		calls, err = o.sendTraced(requests)
		return err
	})
	check(t, "each sampled trace has exactly the expected spans", func() error {
		return eventually(30*time.Second, func() error { return o.expectSampledTraces(calls, expectedTrace) })
	})
	check(t, "no other trace has spans", func() error { return o.expectNoUnsampledTraces(calls) })
	check(t, "orders logs the trace id of each request, and users that of each sampled one", func() error {
		return o.expectTraceIDsInLogs(calls)
	})
	check(t, "each exemplar names an existing trace", func() error {
		return eventually(30*time.Second, o.expectTracesOfExemplars) // the spans of the last requests may be on their way
	})
}

// verifyTracesOfRetries makes half of the requests to users fail, so that orders
// retries.
func verifyTracesOfRetries(t *testing.T, o *observed) {
	check(t, "the span of a retry is a sibling of the span of the first attempt", func() error {
		return o.withFault("users", failHalf, o.expectTraceWithRetry)
	})
}

// failHalf is a fault that makes half of the requests fail.
const failHalf = "status=503&share=0.5"

// sendTraced requests the details of order 1, with eight concurrent clients.
func (o *observed) sendTraced(requests int) ([]tracedCall, error) {
	const concurrency = 8
	var mu sync.Mutex
	var calls []tracedCall
	err := o.through("orders", func(s service) error {
		client := func() error {
			for i := range requests / concurrency {
				call := tracedCall{newHexID(16), i%2 == 0}
				if err := s.getDetails(call); err != nil {
					return err
				}
				mu.Lock()
				calls = append(calls, call)
				mu.Unlock()
			}
			return nil
		}
		return concurrently(slices.Repeat([]func() error{client}, concurrency)...)
	})
	return calls, err
}

// newHexID returns a random id of the given number of bytes, in hexadecimal.
func newHexID(bytes int) string {
	id := make([]byte, bytes)
	_, _ = rand.Read(id)
	return hex.EncodeToString(id)
}

// getDetails requests an order with its user, with the trace context of a call
// (https://www.w3.org/TR/trace-context/).
func (s service) getDetails(call tracedCall) error {
	request, err := http.NewRequest(http.MethodGet, s.url+"/orders/1/details", http.NoBody)
	if err != nil {
		return err
	}
	flags := map[bool]string{true: "01", false: "00"}[call.sampled]
	request.Header.Set("Traceparent", "00-"+call.traceID+"-"+newHexID(8)+"-"+flags)
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return err
	}
	defer response.Body.Close()
	if response.StatusCode != http.StatusOK {
		return errors.New(response.Status)
	}
	return nil
}

// span holds the fields of a span in Jaeger that the tests read.
type span struct {
	SpanID, OperationName, ProcessID string
	References                       []struct{ SpanID string }
	Tags                             []struct {
		Key   string
		Value any
	}
	StartTime int64
}

func (s span) tag(key string) string {
	for _, tag := range s.Tags {
		if tag.Key == key {
			return fmt.Sprint(tag.Value)
		}
	}
	return ""
}

// trace is a trace in Jaeger.
type trace struct {
	Spans     []span
	Processes map[string]struct{ ServiceName string }
}

// trace returns a trace from Jaeger. It has no spans if Jaeger does not know it.
func (o *observed) trace(id string) (trace, error) {
	response, err := http.Get(o.jaeger.url + "/api/traces/" + id)
	if err != nil {
		return trace{}, err
	}
	_ = response.Body.Close()
	if response.StatusCode == http.StatusNotFound {
		return trace{}, nil
	}
	var found struct{ Data []trace }
	if err := o.jaeger.getJSON("/api/traces/"+id, &found); err != nil || len(found.Data) != 1 {
		return trace{}, errors.Join(err, fmt.Errorf("Jaeger has %d traces %s", len(found.Data), id))
	}
	return found.Data[0], nil
}

// expectSampledTraces returns an error unless the trace of each sampled call has the
// expected spans.
func (o *observed) expectSampledTraces(calls []tracedCall, want string) error {
	for _, call := range calls {
		if !call.sampled {
			continue
		}
		found, err := o.trace(call.traceID)
		if got := found.drawSpans(); err == nil && got != want {
			err = fmt.Errorf("it is%s", got)
		}
		if err != nil {
			return fmt.Errorf("trace %s: %w", call.traceID, err)
		}
	}
	return nil
}

// expectNoUnsampledTraces returns an error if a call that was not sampled has spans.
func (o *observed) expectNoUnsampledTraces(calls []tracedCall) error {
	for _, call := range calls {
		if call.sampled {
			continue
		}
		found, err := o.trace(call.traceID)
		if err == nil && len(found.Spans) > 0 {
			err = fmt.Errorf("it has %d spans", len(found.Spans))
		}
		if err != nil {
			return fmt.Errorf("trace %s: %w", call.traceID, err)
		}
	}
	return nil
}

// drawSpans returns one line per span, parents before their children and siblings in
// the order of their start. The number of dashes is the depth of the span.
func (f trace) drawSpans() string {
	known := map[string]bool{}
	for _, s := range f.Spans {
		known[s.SpanID] = true
	}
	var roots []span
	for _, s := range f.Spans {
		if len(s.References) != 1 || !known[s.References[0].SpanID] {
			roots = append(roots, s)
		}
	}
	var out strings.Builder
	f.drawLevel(&out, roots, "-")
	return out.String()
}

func (f trace) drawLevel(out *strings.Builder, siblings []span, dashes string) {
	slices.SortFunc(siblings, func(a, b span) int { return int(a.StartTime - b.StartTime) })
	for _, s := range siblings {
		fmt.Fprintf(out, "\n%s %s %s %s", dashes, f.Processes[s.ProcessID].ServiceName, s.tag("span.kind"), s.OperationName)
		if status := s.tag("http.response.status_code"); status != "" {
			out.WriteString(" " + status)
		}
		f.drawLevel(out, f.children(s), dashes+"-")
	}
}

func (f trace) children(of span) (children []span) {
	for _, s := range f.Spans {
		if len(s.References) == 1 && s.References[0].SpanID == of.SpanID {
			children = append(children, s)
		}
	}
	return children
}

// expectTraceIDsInLogs returns an error unless a pod of orders has logged the trace id
// of each call, and a pod of users that of each sampled one: other look-ups of users
// share calls, which have the trace id of the first.
func (o *observed) expectTraceIDsInLogs(calls []tracedCall) error {
	for _, release := range []string{"users", "orders"} {
		logs := o.kubectl("logs", "--selector="+serverSelector(release), "--tail=-1")
		if logs.err != nil {
			return logs.err
		}
		for _, call := range calls {
			if release == "users" && !call.sampled {
				continue
			}
			if !strings.Contains(logs.stdout, `"trace_id":"`+call.traceID+`"`) {
				return fmt.Errorf("no pod of %s has logged the trace id %s", release, call.traceID)
			}
		}
	}
	return nil
}

// expectTracesOfExemplars returns an error unless Prometheus has exemplars and Jaeger
// has the trace of each.
func (o *observed) expectTracesOfExemplars() error {
	var response struct {
		Data []struct {
			Exemplars []struct{ Labels map[string]string }
		}
	}
	now := time.Now()
	// Jaeger has series of that name, too.
	path := fmt.Sprintf("/api/v1/query_exemplars?query=%s&start=%d&end=%d",
		url.QueryEscape(`http_server_request_duration_seconds_bucket{job=~"users|orders"}`), now.Add(-10*time.Minute).Unix(), now.Unix())
	if err := o.prometheus.getJSON(path, &response); err != nil {
		return err
	}
	count := 0
	for _, series := range response.Data {
		for _, exemplar := range series.Exemplars {
			count++
			found, err := o.trace(exemplar.Labels["trace_id"])
			if err == nil && len(found.Spans) == 0 {
				err = fmt.Errorf("the trace of the exemplar %v does not exist", exemplar.Labels)
			}
			if err != nil {
				return err
			}
		}
	}
	if count == 0 {
		return errors.New("Prometheus has no exemplar")
	}
	return nil
}

// expectTraceWithRetry sends requests, and returns an error unless a trace has a
// retry.
func (o *observed) expectTraceWithRetry() error {
	calls, err := o.sendTraced(40)
	if err != nil {
		return err
	}
	return eventually(30*time.Second, func() error {
		for _, call := range calls {
			found, err := o.trace(call.traceID)
			if err != nil {
				return err
			}
			if found.hasRetry() {
				return nil
			}
		}
		return errors.New("no trace has a retry")
	})
}

// hasRetry reports whether a span has two children for attempts of the same call, of
// which exactly one has the attribute of a first retry.
func (f trace) hasRetry() bool {
	for _, parent := range f.Spans {
		var attempts, retries int
		for _, child := range f.children(parent) {
			if child.tag("url.template") == "/users/{id}" {
				attempts++
				if child.tag("http.request.resend_count") == "1" {
					retries++
				}
			}
		}
		if attempts == 2 && retries == 1 {
			return true
		}
	}
	return false
}

// verifyTracesWithoutPropagation is the negative control of verifyTraces: users
// ignores the trace context that orders sends. It runs the production image of users.
func verifyTracesWithoutPropagation(t *testing.T, o *observed) {
	check(t, "without propagation each trace has only the spans of orders", func() error {
		if err := o.upgradeAndReplace("users", productionValues("OTEL_PROPAGATORS", "none")...); err != nil {
			return err
		}
		calls, err := o.sendTraced(16)
		if err != nil {
			return err
		}
		return eventually(30*time.Second, func() error { return o.expectSampledTraces(calls, expectedTraceOfOrders) })
	})
}
