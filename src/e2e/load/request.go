package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"strings"
	"time"
)

const (
	// requestTimeout is how long a client waits for a connection, and for a response.
	requestTimeout = 10 * time.Second
	// resendTimeout is how long an order is sent again, and resendPause the time
	// between a response and the next request.
	resendTimeout = time.Minute
	resendPause   = 100 * time.Millisecond
)

// generator sends requests and collects their results.
type generator struct {
	*collector
	options
	client *client
}

func newGenerator(o options) (*generator, error) {
	u, err := url.Parse(o.url)
	if err != nil {
		return nil, err
	}
	return &generator{newCollector(), o, newClient(u.Host)}, nil
}

// send sends the i-th request: it creates an order for the demo's first user, or
// gets one of the demo's orders with its user.
func (g *generator) send(i int) {
	newConnection := i%100 < g.newConnections
	switch {
	case g.path != "":
		g.add(g.get(g.path, newConnection))
	case (i/100+i)%100 < g.posts: // the shift by i/100 spreads orders over new and kept connections
		g.add(g.createOrder(i, newConnection))
	default:
		g.add(g.get(fmt.Sprintf("/orders/%d/details", 1+i%3), newConnection))
	}
}

func (g *generator) get(path string, newConnection bool) result {
	got, r := g.do(http.MethodGet, path, "", nil, newConnection)
	if r.err == nil && r.refused == "" && got.status != http.StatusOK {
		r.err = fmt.Errorf("GET returned status %d", got.status)
	}
	r.degraded = g.path == "" && r.err == nil && !bytes.Contains(got.body, []byte(`"communication_status":"success"`))
	return r
}

// createOrder creates an order. With -resend, it repeats the request until the order
// is acknowledged.
func (g *generator) createOrder(i int, newConnection bool) result {
	product := fmt.Sprint(g.name, " ", i)
	header := http.Header{"Content-Type": {"application/json"}}
	if g.resend && g.keys {
		header.Set("Idempotency-Key", product)
	}
	r := g.post(product, header, newConnection)
	for first := r.started; g.resend && r.id == 0 && time.Since(first) < resendTimeout; {
		time.Sleep(resendPause)
		next := g.post(product, header, true)
		next.started, next.duration, next.resent = first, time.Since(first), r.resent+1
		r = next
	}
	return r
}

func (g *generator) post(product string, header http.Header, newConnection bool) result {
	body := fmt.Sprintf(`{"user_id": 1, "product": %q, "quantity": 1, "price": 1}`, product)
	got, r := g.do(http.MethodPost, "/orders", body, header, newConnection)
	r.post = true
	switch {
	case r.err != nil, r.refused != "":
	case got.status == http.StatusCreated:
		r.id, r.err = orderID(got.body)
		r.replayed = got.header.Get("Idempotency-Replayed") != ""
	default:
		r.err = fmt.Errorf("POST returned status %d", got.status)
	}
	return r
}

// do sends a request and measures it. A response with status 503 and Retry-After is
// a refusal.
func (g *generator) do(method, path, body string, header http.Header, newConnection bool) (got response, r result) {
	r.started = time.Now()
	request, err := http.NewRequest(method, g.url+path, strings.NewReader(body))
	if err != nil {
		r.err = err
		return got, r
	}
	for name, values := range header {
		request.Header[name] = values
	}
	got, err = g.client.do(request, newConnection)
	r.duration = time.Since(r.started)
	r.err = withoutAddresses(err)
	if err == nil && got.status == http.StatusServiceUnavailable && got.header.Get("Retry-After") != "" {
		r.refused = method + ": " + detail(got.body)
	}
	return got, r
}

// detail returns the detail of an error response, or its body if it has none.
func detail(body []byte) string {
	var problem struct{ Detail string }
	if err := json.Unmarshal(body, &problem); err != nil || problem.Detail == "" {
		return string(body)
	}
	return problem.Detail
}

// orderID returns the id of the order in the body of a response.
func orderID(body []byte) (int64, error) {
	var created struct{ Order struct{ ID int64 } }
	err := json.Unmarshal(body, &created)
	return created.Order.ID, err
}

// withoutAddresses removes addresses and ports from an error, so that equal errors
// are counted together.
func withoutAddresses(err error) error {
	if op, ok := errors.AsType[*net.OpError](err); ok {
		return fmt.Errorf("%s: %w", op.Op, op.Err)
	}
	return err
}
