package main

import (
	"slices"
	"sync"
	"time"
)

// report counts the requests by their results.
type report struct {
	Sent           int
	Orders         int            // requests to create an order
	Failed         int            // requests without an expected response
	FailureReasons map[string]int // the failed requests by error
	Degraded       int            // responses without the user
	Refused        int            // responses with status 503 and Retry-After
	RefusalReasons map[string]int // the refused requests by method and detail of the response
	Resent         int            // requests that sent an order again
	Replayed       int            // orders that had been stored when they were sent again
	Created        []int64        // ids of the acknowledged orders
	// LastFailed is when the last failed request was sent, and LastDegraded the last
	// one that was degraded or refused: Unix milliseconds, or 0 for none.
	LastFailed, LastDegraded int64
	// P50 and P99 are percentiles of the duration of all requests, OrdersP99 of those
	// that create an order, and GoodP99 of the successful ones. They are in
	// milliseconds, and include the time to connect.
	P50, P99, OrdersP99, GoodP99 float64
	Seconds                      float64 // until the last response
	SendingSeconds               float64 // until the last request was sent
}

// result is the result of one request, or of an order that was sent repeatedly.
type result struct {
	started  time.Time
	duration time.Duration
	post     bool
	id       int64 // of the created order; 0: none
	resent   int
	replayed bool
	degraded bool
	refused  string // why the request was refused; empty: it was not
	err      error
}

// collector collects results. It is safe for concurrent use.
type collector struct {
	started             time.Time
	mu                  sync.Mutex
	counts              report
	durations           []time.Duration
	orderDurations      []time.Duration
	successfulDurations []time.Duration
}

func newCollector() *collector {
	return &collector{started: time.Now(), counts: report{FailureReasons: map[string]int{}, RefusalReasons: map[string]int{}}}
}

// add adds a result.
func (c *collector) add(r result) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.counts.Sent++
	c.counts.Resent += r.resent
	c.counts.SendingSeconds = max(c.counts.SendingSeconds, r.started.Sub(c.started).Seconds())
	if r.replayed {
		c.counts.Replayed++
	}
	c.durations = append(c.durations, r.duration)
	if r.post {
		c.counts.Orders++
		c.orderDurations = append(c.orderDurations, r.duration)
	}
	if r.id != 0 {
		c.counts.Created = append(c.counts.Created, r.id)
	}
	c.classify(r)
}

// classify counts a result as failed, refused, degraded or successful.
func (c *collector) classify(r result) {
	at := r.started.UnixMilli()
	switch {
	case r.err != nil:
		c.counts.Failed++
		c.counts.FailureReasons[r.err.Error()]++
		c.counts.LastFailed = max(c.counts.LastFailed, at)
	case r.refused != "":
		c.counts.Refused++
		c.counts.RefusalReasons[r.refused]++
		c.counts.LastDegraded = max(c.counts.LastDegraded, at)
	case r.degraded:
		c.counts.Degraded++
		c.counts.LastDegraded = max(c.counts.LastDegraded, at)
	default:
		c.successfulDurations = append(c.successfulDurations, r.duration)
	}
}

// report returns the report of all results so far.
func (c *collector) report() report {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.counts.Seconds = time.Since(c.started).Seconds()
	c.counts.P50, c.counts.P99 = percentile(c.durations, 0.5), percentile(c.durations, 0.99)
	c.counts.OrdersP99, c.counts.GoodP99 = percentile(c.orderDurations, 0.99), percentile(c.successfulDurations, 0.99)
	return c.counts
}

// percentile returns a percentile of durations in milliseconds, such as the median
// for the share 0.5. It sorts the durations.
func percentile(durations []time.Duration, share float64) float64 {
	if len(durations) == 0 {
		return 0
	}
	slices.Sort(durations)
	return float64(durations[int(share*float64(len(durations)-1))].Microseconds()) / 1000
}
