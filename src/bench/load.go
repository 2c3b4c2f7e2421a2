package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"math/rand/v2"
	"net"
	"net/http"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"
)

// load is a number of keep-alive connections that ask a server for a while.
//
// It speaks just as much HTTP as the services do, by hand: it shares the cores
// with what it measures, and whatever it costs counts on both sides of a
// comparison and makes them look alike.
type load struct {
	Address     string
	Requests    [][]byte // sent in turn, as they are
	Want        int      // the status of a success
	Refuse      []byte   // an answer that holds this is degraded
	Connections int
	// Rate is of all connections together, per second; 0 means each sends when
	// it has its answer. A connection that is behind its schedule does the same,
	// so the rate is kept as long as enough of them are free.
	Rate float64
	For  time.Duration
}

// Outcomes that are no status.
const (
	noAnswer = 0
	degraded = 1 // the status of a success, but not the whole answer
)

// result is what came of a load.
type result struct {
	Took      time.Duration
	Want      int
	Outcomes  map[int]int     // how many, by status
	Latencies []time.Duration // of successes
}

// run puts the load on the server.
func (l load) run(ctx context.Context) result {
	return together(ctx, l.Connections, l.For, l.Want, l.drive)
}

// drive uses one connection.
func (l load) drive(ctx context.Context, begin time.Time, nth int) result {
	r := newResult(l.Want)
	c := caller{address: l.Address, refuse: l.Refuse, until: begin.Add(l.For + patience)}
	defer c.drop()
	for i := rand.IntN(len(l.Requests)); l.await(ctx, begin, nth); i++ {
		start := time.Now()
		r.add(c.call(l.Requests[i%len(l.Requests)]), time.Since(start))
		nth += l.Connections
	}
	return r
}

// await blocks until the nth request of all is due, and reports whether there
// is still time for it.
func (l load) await(ctx context.Context, begin time.Time, nth int) bool {
	if l.Rate > 0 {
		due := begin.Add(time.Duration(float64(nth) / l.Rate * float64(time.Second)))
		time.Sleep(min(time.Until(due), time.Until(begin.Add(l.For))))
	}
	return ctx.Err() == nil
}

// together runs n loops at once, for a while, and gathers what they brought.
func together(ctx context.Context, n int, d time.Duration, want int, loop func(ctx context.Context, begin time.Time, nth int) result) result {
	ctx, cancel := context.WithTimeout(ctx, d)
	defer cancel()
	parts := make([]result, n)
	var loops sync.WaitGroup
	begin := time.Now()
	for nth := range parts {
		loops.Go(func() { parts[nth] = loop(ctx, begin, nth) })
	}
	loops.Wait()
	all := newResult(want)
	all.Took = time.Since(begin)
	for _, part := range parts {
		for outcome, n := range part.Outcomes {
			all.Outcomes[outcome] += n
		}
		all.Latencies = append(all.Latencies, part.Latencies...)
	}
	slices.Sort(all.Latencies)
	return all
}

func newResult(want int) result { return result{Want: want, Outcomes: map[int]int{}} }

func (r *result) add(outcome int, took time.Duration) {
	r.Outcomes[outcome]++
	if outcome == r.Want {
		r.Latencies = append(r.Latencies, took)
	}
}

// rate is the successes per second.
func (r result) rate() float64 { return float64(r.Outcomes[r.Want]) / r.Took.Seconds() }

// offered is the requests per second.
func (r result) offered() float64 { return float64(r.sent()) / r.Took.Seconds() }

func (r result) sent() (n int) {
	for _, of := range r.Outcomes {
		n += of
	}
	return n
}

// p99 is in milliseconds.
func (r result) p99() float64 { return percentile(r.Latencies, 0.99) }

func percentile(sorted []time.Duration, p float64) float64 {
	if len(sorted) == 0 {
		return 0
	}
	return sorted[int(p*float64(len(sorted)-1))].Seconds() * 1000
}

// failures says what else than successes came of loads, outcomes in except
// left out; empty if nothing did.
func failures(results []result, except ...int) string {
	others := map[int]int{}
	for _, r := range results {
		for outcome, n := range r.Outcomes {
			if outcome != r.Want && !slices.Contains(except, outcome) {
				others[outcome] += n
			}
		}
	}
	var words []string
	for _, outcome := range slices.Sorted(maps.Keys(others)) {
		words = append(words, fmt.Sprintf("%d × %s", others[outcome], outcomeName(outcome)))
	}
	return strings.Join(words, ", ")
}

func outcomeName(outcome int) string {
	switch outcome {
	case noAnswer:
		return "no answer"
	case degraded:
		return "degraded"
	default:
		return strconv.Itoa(outcome)
	}
}

// patience is how long past its end a load waits for the last answers.
const patience = 5 * time.Second

// caller is one connection.
type caller struct {
	address string
	refuse  []byte
	until   time.Time
	conn    net.Conn
	answers *bufio.Reader
}

// call sends a request and returns the outcome.
func (c *caller) call(request []byte) int {
	outcome, err := c.exchange(request)
	if err != nil {
		c.drop()
		return noAnswer
	}
	return outcome
}

func (c *caller) exchange(request []byte) (int, error) {
	if c.conn == nil {
		if err := c.dial(); err != nil {
			return 0, err
		}
	}
	if _, err := c.conn.Write(request); err != nil {
		return 0, err
	}
	status, size, err := readHead(c.answers)
	if err != nil {
		return 0, err
	}
	if len(c.refuse) > 0 && status < http.StatusMultipleChoices {
		if body, err := c.answers.Peek(size); err != nil || bytes.Contains(body, c.refuse) {
			status = degraded
		}
	}
	_, err = c.answers.Discard(size)
	return status, err
}

func (c *caller) dial() (err error) {
	if c.conn, err = net.DialTimeout("tcp", c.address, patience); err != nil {
		c.conn = nil
		time.Sleep(time.Millisecond) // a server that is gone would be dialled without pause
		return err
	}
	c.answers = bufio.NewReader(c.conn)
	return c.conn.SetDeadline(c.until)
}

func (c *caller) drop() {
	if c.conn != nil {
		c.conn.Close()
		c.conn = nil
	}
}

var errForm = errors.New("an answer in a form that the services do not use")

// readHead reads an answer up to its body, whose size the services always tell.
func readHead(r *bufio.Reader) (status, size int, err error) {
	line, err := r.ReadSlice('\n')
	if err != nil || len(line) < len("HTTP/1.1 200") {
		return 0, 0, errors.Join(err, errForm)
	}
	if status, err = strconv.Atoi(string(line[9:12])); err != nil {
		return 0, 0, err
	}
	size = -1
	for {
		if line, err = r.ReadSlice('\n'); err != nil {
			return 0, 0, err
		}
		if len(line) <= len("\r\n") {
			break
		}
		if value, ok := bytes.CutPrefix(line, []byte("Content-Length: ")); ok {
			size, _ = strconv.Atoi(string(bytes.TrimSpace(value)))
		}
	}
	if size < 0 {
		return 0, 0, errForm
	}
	return status, size, nil
}

// get is the text of a GET request.
func get(path string) []byte {
	return fmt.Appendf(nil, "GET %s HTTP/1.1\r\nHost: bench\r\n\r\n", path)
}

// postJSON is the text of a POST request.
func postJSON(path, body string) []byte {
	return fmt.Appendf(nil, "POST %s HTTP/1.1\r\nHost: bench\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%s", path, len(body), body)
}

// generate is the part that reads a load from its input, runs it and prints
// the result: a generator in a process of its own.
func generate(ctx context.Context, _ func(string) string, stdout io.Writer) error {
	var l load
	if err := json.NewDecoder(os.Stdin).Decode(&l); err != nil {
		return err
	}
	return json.NewEncoder(stdout).Encode(l.run(ctx))
}

// runIn runs the load in a process of its own, on those processors.
func (l load) runIn(ctx context.Context, on processors) (r result, err error) {
	text, err := json.Marshal(l)
	if err != nil {
		return r, err
	}
	generator := on.command(ctx, self("generate"))
	generator.Stdin = bytes.NewReader(text)
	out, err := generator.Output()
	if err != nil {
		return r, fmt.Errorf("generate load: %w", err)
	}
	return r, json.Unmarshal(out, &r)
}
