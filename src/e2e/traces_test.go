//go:build e2e

package e2e

import (
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"
)

// asked is a request whose trace the client has chosen.
type asked struct {
	trace   string
	sampled bool
}

// tree is what the trace of a details call has to look like: who has spans
// below the client's, each behind as many dashes as it is deep. Without
// propagation users would not know of the trace.
const (
	tree = treeOfOrders + `
--- users-service server GET /users/{id} 200
---- users-service client SELECT users`
	treeOfOrders = `
- orders-service server GET /orders/{id}/details 200
-- orders-service client SELECT orders
-- orders-service client GET /users/{id} 200`
)

func tracesAreWhole(t *testing.T, o *observed) {
	const requests = 504 // a multiple of those at once
	var calls []asked
	must(t, fmt.Sprintf("orders answers %d calls with traces of the client, each second one sampled", requests), func() (err error) {
		calls, err = o.askTraced(requests)
		return err
	})
	check(t, "each sampled trace has exactly the expected spans", func() error {
		return eventually(30*time.Second, func() error { return o.eachTrace(calls, true, expect(tree)) })
	})
	check(t, "no other trace has any", func() error { return o.eachTrace(calls, false, nil) })
	check(t, "the log lines of both services carry the trace id of each request", func() error { return o.areLogged(calls) })
	check(t, "each exemplar leads to a trace", o.exemplarsLead)
	check(t, "a retry is a sibling of the try before", func() error {
		return o.under("users", "status=503&share=0.5", o.retriesAreSiblings)
	})
}

// askTraced asks for the details of order 1, some calls at once.
func (o *observed) askTraced(requests int) ([]asked, error) {
	const atATime = 8
	var mu sync.Mutex
	var calls []asked
	err := o.through("orders", func(s service) error {
		caller := func() error {
			for i := range requests / atATime {
				call := asked{newID(16), i%2 == 0}
				if err := s.details(call); err != nil {
					return err
				}
				mu.Lock()
				calls = append(calls, call)
				mu.Unlock()
			}
			return nil
		}
		return atOnce(slices.Repeat([]func() error{caller}, atATime)...)
	})
	return calls, err
}

// newID is a random id of so many bytes, in hexadecimal digits.
func newID(bytes int) string {
	id := make([]byte, bytes)
	_, _ = rand.Read(id)
	return hex.EncodeToString(id)
}

// details asks for an order with its user, by a trace of the client.
func (s service) details(a asked) error {
	request, err := http.NewRequest(http.MethodGet, s.url+"/orders/1/details", http.NoBody)
	if err != nil {
		return err
	}
	flags := map[bool]string{true: "01", false: "00"}[a.sampled]
	request.Header.Set("Traceparent", "00-"+a.trace+"-"+newID(8)+"-"+flags)
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

// span is what tests read of a span in Jaeger.
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

// spans are those of a trace, and the services of their processes.
type spans struct {
	Spans     []span
	Processes map[string]struct{ ServiceName string }
}

// trace looks a trace up; it is empty where Jaeger has none.
func (o *observed) trace(id string) (spans, error) {
	response, err := http.Get(o.jaeger.url + "/api/traces/" + id)
	if err != nil {
		return spans{}, err
	}
	_ = response.Body.Close()
	if response.StatusCode == http.StatusNotFound {
		return spans{}, nil
	}
	var answer struct{ Data []spans }
	if err := o.jaeger.members("/api/traces/"+id, &answer); err != nil || len(answer.Data) != 1 {
		return spans{}, errors.Join(err, fmt.Errorf("Jaeger has %d traces %s", len(answer.Data), id))
	}
	return answer.Data[0], nil
}

// eachTrace demands something of each trace that was sampled; of those that
// were not, that there is none.
func (o *observed) eachTrace(calls []asked, sampled bool, expect func(spans) error) error {
	for _, call := range calls {
		if call.sampled != sampled {
			continue
		}
		found, err := o.trace(call.trace)
		switch {
		case err != nil:
			return err
		case sampled:
			err = expect(found)
		case len(found.Spans) > 0:
			err = fmt.Errorf("%d spans", len(found.Spans))
		}
		if err != nil {
			return fmt.Errorf("trace %s: %w", call.trace, err)
		}
	}
	return nil
}

func expect(tree string) func(spans) error {
	return func(found spans) error {
		if got := found.draw(); got != tree {
			return fmt.Errorf("it is%s", got)
		}
		return nil
	}
}

// draw writes the spans down as tree has them.
func (f spans) draw() string {
	known := map[string]bool{}
	for _, s := range f.Spans {
		known[s.SpanID] = true
	}
	var root []span
	for _, s := range f.Spans {
		if len(s.References) != 1 || !known[s.References[0].SpanID] {
			root = append(root, s)
		}
	}
	var out strings.Builder
	f.drawAll(&out, root, "-")
	return out.String()
}

func (f spans) drawAll(out *strings.Builder, level []span, dashes string) {
	slices.SortFunc(level, func(a, b span) int { return int(a.StartTime - b.StartTime) })
	for _, s := range level {
		fmt.Fprintf(out, "\n%s %s %s %s", dashes, f.Processes[s.ProcessID].ServiceName, s.tag("span.kind"), s.OperationName)
		if status := s.tag("http.response.status_code"); status != "" {
			out.WriteString(" " + status)
		}
		f.drawAll(out, f.children(s), dashes+"-")
	}
}

func (f spans) children(of span) (children []span) {
	for _, s := range f.Spans {
		if len(s.References) == 1 && s.References[0].SpanID == of.SpanID {
			children = append(children, s)
		}
	}
	return children
}

// areLogged looks for each trace id in what the pods of both services logged.
func (o *observed) areLogged(calls []asked) error {
	for _, release := range []string{"users", "orders"} {
		logs := o.kubectl("logs", "--selector="+servers(release), "--tail=-1")
		if logs.err != nil {
			return logs.err
		}
		for _, call := range calls {
			if !strings.Contains(logs.text, `"trace_id":"`+call.trace+`"`) {
				return fmt.Errorf("no pod of %s has logged %s", release, call.trace)
			}
		}
	}
	return nil
}

func (o *observed) exemplarsLead() error {
	var answer struct {
		Data []struct {
			Exemplars []struct{ Labels map[string]string }
		}
	}
	now := time.Now()
	target := fmt.Sprintf("/api/v1/query_exemplars?query=http_server_request_duration_seconds_bucket&start=%d&end=%d", now.Add(-10*time.Minute).Unix(), now.Unix())
	if err := o.prometheus.members(target, &answer); err != nil {
		return err
	}
	count := 0
	for _, series := range answer.Data {
		for _, exemplar := range series.Exemplars {
			count++
			found, err := o.trace(exemplar.Labels["trace_id"])
			if err == nil && len(found.Spans) == 0 {
				err = fmt.Errorf("the exemplar %v leads to no trace", exemplar.Labels)
			}
			if err != nil {
				return err
			}
		}
	}
	if count == 0 {
		return errors.New("there is no exemplar")
	}
	return nil
}

// retriesAreSiblings asks until a call needed more than one try.
func (o *observed) retriesAreSiblings() error {
	calls, err := o.askTraced(40)
	if err != nil {
		return err
	}
	return eventually(30*time.Second, func() error {
		for _, call := range calls {
			found, err := o.trace(call.trace)
			if err != nil {
				return err
			}
			if found.haveRetry() {
				return nil
			}
		}
		return errors.New("no trace has a retry")
	})
}

// haveRetry says whether a span has two tries of the same call below it, of
// which one says that it was the second.
func (f spans) haveRetry() bool {
	for _, parent := range f.Spans {
		var tries, resent int
		for _, child := range f.children(parent) {
			if child.tag("url.template") == "/users/{id}" {
				tries++
				if child.tag("http.request.resend_count") == "1" {
					resent++
				}
			}
		}
		if tries == 2 && resent == 1 {
			return true
		}
	}
	return false
}

// withoutPropagator is the control of tracesAreWhole: users does not understand
// what orders tells it of the trace.
func withoutPropagator(t *testing.T, o *observed) {
	check(t, "without propagation each trace ends at orders", func() error {
		if err := o.replace("users", `[{"name": "OTEL_PROPAGATORS", "value": "none"}]`); err != nil {
			return err
		}
		calls, err := o.askTraced(16)
		if err != nil {
			return err
		}
		return eventually(30*time.Second, func() error { return o.eachTrace(calls, true, expect(treeOfOrders)) })
	})
}
