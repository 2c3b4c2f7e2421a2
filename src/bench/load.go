package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"math/rand/v2"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"
)

// load describes the requests that clients send to a server for some time. It
// is encoded as JSON for the process that generates it.
type load struct {
	Address     string
	Requests    [][]byte // complete HTTP requests, sent in turn
	Want        int      // status of a success
	Degraded    []byte   // a success whose body contains this is degraded
	Connections int      // number of clients, each with one keep-alive connection
	// Rate is the number of requests per second of all clients together. If it
	// is 0, each client sends its next request when it has the response. So does
	// a client that is behind its schedule; the rate holds while enough clients
	// are free.
	Rate     float64
	Duration time.Duration
}

// Keys of result.Counts that are not an HTTP status.
const (
	noResponse = 0
	degraded   = 1 // the status of a success, but an incomplete response
)

// result is what the clients measured in one round.
type result struct {
	Elapsed   time.Duration
	Want      int
	Counts    map[int]int     // number of requests by status, noResponse or degraded
	Latencies []time.Duration // of successes, sorted
	CPU       time.Duration   // processor time of both services; 0 if unknown
}

// run runs the load.
func (l load) run(ctx context.Context) result {
	return runClients(ctx, l.Connections, l.Duration, l.Want, l.runClient)
}

// runClient sends the requests of one client. The number n of its first request
// among those of all clients determines when a request is due.
func (l load) runClient(ctx context.Context, begin time.Time, n int) result {
	r := newResult(l.Want)
	c := loadClient{address: l.Address, degraded: l.Degraded, deadline: begin.Add(l.Duration + gracePeriod)}
	defer c.disconnect()
	for i := rand.IntN(len(l.Requests)); l.awaitDue(ctx, begin, n); i++ {
		start := time.Now()
		r.add(c.send(l.Requests[i%len(l.Requests)]), time.Since(start))
		n += l.Connections
	}
	return r
}

// awaitDue blocks until request n is due and reports whether the load still
// runs then.
func (l load) awaitDue(ctx context.Context, begin time.Time, n int) bool {
	if l.Rate > 0 {
		due := begin.Add(time.Duration(float64(n) / l.Rate * float64(time.Second)))
		time.Sleep(min(time.Until(due), time.Until(begin.Add(l.Duration))))
	}
	return ctx.Err() == nil
}

// runClients runs a number of clients at the same time, until the duration has
// passed, and returns their combined result. A client gets its index.
func runClients(
	ctx context.Context, number int, d time.Duration, want int, run func(ctx context.Context, begin time.Time, index int) result,
) result {
	ctx, cancel := context.WithTimeout(ctx, d)
	defer cancel()
	results := make([]result, number)
	var clients sync.WaitGroup
	begin := time.Now()
	for index := range results {
		clients.Go(func() { results[index] = run(ctx, begin, index) })
	}
	clients.Wait()
	all := newResult(want)
	all.Elapsed = time.Since(begin)
	for _, r := range results {
		for key, n := range r.Counts {
			all.Counts[key] += n
		}
		all.Latencies = append(all.Latencies, r.Latencies...)
	}
	slices.Sort(all.Latencies)
	return all
}

func newResult(want int) result { return result{Want: want, Counts: map[int]int{}} }

// add counts a request under a status, noResponse or degraded.
func (r *result) add(key int, latency time.Duration) {
	r.Counts[key]++
	if key == r.Want {
		r.Latencies = append(r.Latencies, latency)
	}
}

// rate returns the successes per second.
func (r result) rate() float64 { return float64(r.Counts[r.Want]) / r.Elapsed.Seconds() }

// offered returns the requests per second.
func (r result) offered() float64 { return float64(r.requests()) / r.Elapsed.Seconds() }

// requests returns the number of requests.
func (r result) requests() (n int) {
	for _, count := range r.Counts {
		n += count
	}
	return n
}

// p50 returns the median latency in milliseconds.
func (r result) p50() float64 { return percentile(r.Latencies, 0.5) }

// p99 returns the 99th percentile of the latencies in milliseconds.
func (r result) p99() float64 { return percentile(r.Latencies, 0.99) }

// cpuPerRequest returns the processor time of both services in microseconds.
func (r result) cpuPerRequest() float64 { return float64(r.CPU.Microseconds()) / float64(r.requests()) }

// percentile returns the p-quantile in milliseconds, 0 ≤ p ≤ 1; 0 if there are
// no latencies.
func percentile(sorted []time.Duration, p float64) float64 {
	if len(sorted) == 0 {
		return 0
	}
	return sorted[int(p*float64(len(sorted)-1))].Seconds() * 1000
}

// failures describes the requests of all rounds that were not successes; empty
// if all were.
func failures(contenders ...[]result) string { return failuresExcept(nil, contenders...) }

// failuresExcept does the same and ignores responses with the given statuses.
func failuresExcept(ignored []int, contenders ...[]result) string {
	counts := map[int]int{}
	for _, r := range slices.Concat(contenders...) {
		for key, n := range r.Counts {
			if key != r.Want && !slices.Contains(ignored, key) {
				counts[key] += n
			}
		}
	}
	var parts []string
	for _, key := range slices.Sorted(maps.Keys(counts)) {
		parts = append(parts, fmt.Sprintf("%d × %s", counts[key], countName(key)))
	}
	return strings.Join(parts, ", ")
}

func countName(key int) string {
	switch key {
	case noResponse:
		return "no response"
	case degraded:
		return "degraded"
	default:
		return strconv.Itoa(key)
	}
}

// generate is the subcommand that reads a load from standard input, runs it and
// prints the result.
func generate(ctx context.Context, _ func(string) string, stdout io.Writer) error {
	var l load
	if err := json.NewDecoder(os.Stdin).Decode(&l); err != nil {
		return err
	}
	return json.NewEncoder(stdout).Encode(l.run(ctx))
}

// runInProcess runs the load in another process, on the given processors.
func (l load) runInProcess(ctx context.Context, cpus cpuSet) (r result, err error) {
	text, err := json.Marshal(l)
	if err != nil {
		return r, err
	}
	generator := cpus.command(ctx, selfCommand("generate"))
	generator.Stdin = bytes.NewReader(text)
	out, err := generator.Output()
	if err != nil {
		return r, fmt.Errorf("generate load: %w", err)
	}
	return r, json.Unmarshal(out, &r)
}
