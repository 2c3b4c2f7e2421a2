// Command load sends requests to orders at a steady rate, whatever becomes of
// them (an open loop), resends none, and accounts for every one of them. A test
// runs it inside the cluster:
//
//	load -url http://orders:5002 -rate 100 -requests 3000
package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"os"
	"slices"
	"strings"
	"sync"
	"time"
)

// report is what became of the requests.
type report struct {
	Sent     int
	Failed   int            // answered neither as expected nor degraded
	Why      map[string]int // what the failed ones met with
	Degraded int            // answered without their user
	Refused  int            // orders answered 503 with Retry-After
	Created  []int64        // ids of the orders that were acknowledged
	P50, P99 float64        // milliseconds
	Seconds  float64
}

func main() {
	base := flag.String("url", "", "base URL of orders")
	rate := flag.Int("rate", 100, "requests a second")
	requests := flag.Int("requests", 1000, "requests in all")
	posts := flag.Int("posts", 20, "percent of them that create an order")
	fresh := flag.Int("fresh", 50, "percent of them that have a connection of their own")
	flag.Parse()
	r, err := newRecorder(*base)
	if err == nil {
		send(*requests, *rate, func(i int) {
			// Which requests are orders must not depend on which are fresh.
			r.note(r.one(i, i%100 < *fresh, (i/100+i)%100 < *posts))
		})
		err = json.NewEncoder(os.Stdout).Encode(r.summary())
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

// send calls do for each request when its time has come, and waits for all.
func send(requests, rate int, do func(i int)) {
	var all sync.WaitGroup
	began := time.Now()
	for i := range requests {
		time.Sleep(time.Until(began.Add(time.Duration(i) * time.Second / time.Duration(rate))))
		all.Go(func() { do(i) })
	}
	all.Wait()
}

// result is what became of one request.
type result struct {
	took     time.Duration
	id       int64 // of the order that was created
	degraded bool
	refused  bool
	err      error
}

// longest is how long a caller waits for an answer.
const longest = 10 * time.Second

// recorder gathers results.
type recorder struct {
	client *client
	base   string
	began  time.Time
	mu     sync.Mutex
	report report
	took   []time.Duration
}

func newRecorder(base string) (*recorder, error) {
	u, err := url.Parse(base)
	if err != nil {
		return nil, err
	}
	return &recorder{client: &client{address: u.Host}, base: base, began: time.Now(), report: report{Why: map[string]int{}}}, nil
}

func (r *recorder) note(one result) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.report.Sent++
	r.took = append(r.took, one.took)
	switch {
	case one.err != nil:
		r.report.Failed++
		r.report.Why[one.err.Error()]++
	case one.refused:
		r.report.Refused++
	case one.degraded:
		r.report.Degraded++
	}
	if one.id != 0 {
		r.report.Created = append(r.report.Created, one.id)
	}
}

func (r *recorder) summary() report {
	slices.Sort(r.took)
	at := func(share float64) float64 {
		return float64(r.took[int(share*float64(len(r.took)-1))].Microseconds()) / 1000
	}
	r.report.Seconds = time.Since(r.began).Seconds()
	r.report.P50, r.report.P99 = at(0.5), at(0.99)
	return r.report
}

// one sends a request: an order for the demo's first user, or the question for
// one of the demo's orders with its user.
func (r *recorder) one(i int, fresh, post bool) (one result) {
	method, target, body, want := http.MethodGet, fmt.Sprintf("/orders/%d/details", 1+i%4), "", http.StatusOK
	if post {
		method, target, want = http.MethodPost, "/orders", http.StatusCreated
		body = fmt.Sprintf(`{"user_id": 1, "product": "Load %d", "quantity": 1, "price": 1}`, i)
	}
	request, err := http.NewRequest(method, r.base+target, strings.NewReader(body))
	if err != nil {
		return result{err: err}
	}
	request.Header.Set("Content-Type", "application/json")
	began := time.Now()
	got, err := r.client.send(request, fresh)
	one.took = time.Since(began)
	switch {
	case err != nil:
		one.err = plain(err)
	case post && got.status == http.StatusServiceUnavailable && got.header.Get("Retry-After") != "":
		one.refused = true
	case got.status != want:
		one.err = fmt.Errorf("%s answered %d", method, got.status)
	case post:
		one.id, one.err = created(got.body)
	default:
		one.degraded = !bytes.Contains(got.body, []byte(`"communication_status":"success"`))
	}
	return one
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
