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
	// longest is how long a caller waits for an answer.
	longest = 10 * time.Second
	// patience is how long a caller sends an order again.
	patience = time.Minute
	// pause is what lies between two times.
	pause = 100 * time.Millisecond
)

// recorder sends requests and takes down what becomes of them.
type recorder struct {
	*books
	options
	client *client
}

func newRecorder(o options) (*recorder, error) {
	u, err := url.Parse(o.url)
	if err != nil {
		return nil, err
	}
	return &recorder{newBooks(), o, newClient(u.Host)}, nil
}

// request sends the i-th request: an order for the demo's first user, or the
// question for one of the demo's orders with its user.
func (r *recorder) request(i int) {
	fresh := i%100 < r.fresh
	switch {
	case r.path != "":
		r.note(r.get(r.path, fresh))
	case (i/100+i)%100 < r.posts: // in the long run, as many are orders among the fresh ones
		r.note(r.order(i, fresh))
	default:
		r.note(r.get(fmt.Sprintf("/orders/%d/details", 1+i%3), fresh))
	}
}

func (r *recorder) get(path string, fresh bool) result {
	got, one := r.exchange(http.MethodGet, path, "", nil, fresh)
	if one.err == nil && !one.refused && got.status != http.StatusOK {
		one.err = fmt.Errorf("GET answered %d", got.status)
	}
	one.degraded = r.path == "" && one.err == nil && !bytes.Contains(got.body, []byte(`"communication_status":"success"`))
	return one
}

// order places an order; it is sent again where that was asked for.
func (r *recorder) order(i int, fresh bool) result {
	product := fmt.Sprint(r.name, " ", i)
	header := http.Header{"Content-Type": {"application/json"}}
	if r.resend && r.keys {
		header.Set("Idempotency-Key", product)
	}
	one := r.post(product, header, fresh)
	for first := one.began; r.resend && one.id == 0 && time.Since(first) < patience; {
		time.Sleep(pause)
		next := r.post(product, header, true)
		next.began, next.took, next.resent = first, time.Since(first), one.resent+1
		one = next
	}
	return one
}

func (r *recorder) post(product string, header http.Header, fresh bool) result {
	body := fmt.Sprintf(`{"user_id": 1, "product": %q, "quantity": 1, "price": 1}`, product)
	got, one := r.exchange(http.MethodPost, "/orders", body, header, fresh)
	one.post = true
	switch {
	case one.err != nil, one.refused:
	case got.status == http.StatusCreated:
		one.id, one.err = created(got.body)
		one.replayed = got.header.Get("Idempotency-Replayed") != ""
	default:
		one.err = fmt.Errorf("POST answered %d", got.status)
	}
	return one
}

// exchange sends a request and says whether it was refused.
func (r *recorder) exchange(method, path, body string, header http.Header, fresh bool) (got answer, one result) {
	one.began = time.Now()
	request, err := http.NewRequest(method, r.url+path, strings.NewReader(body))
	if err != nil {
		one.err = err
		return got, one
	}
	for name, values := range header {
		request.Header[name] = values
	}
	got, err = r.client.send(request, fresh)
	one.took = time.Since(one.began)
	one.err = plain(err)
	one.refused = err == nil && got.status == http.StatusServiceUnavailable && got.header.Get("Retry-After") != ""
	return got, one
}

// created is the id of the order in an answer.
func created(text []byte) (int64, error) {
	var answer struct{ Order struct{ ID int64 } }
	err := json.Unmarshal(text, &answer)
	return answer.Order.ID, err
}

// plain is an error without addresses and ports, so that equal ones add up.
func plain(err error) error {
	if op, ok := errors.AsType[*net.OpError](err); ok {
		return fmt.Errorf("%s: %w", op.Op, op.Err)
	}
	return err
}
