package main

import (
	"slices"
	"sync"
	"time"
)

// report is what became of the requests.
type report struct {
	Sent     int
	Orders   int            // of them, those to create an order
	Failed   int            // answered neither as expected, nor degraded, nor refused
	Why      map[string]int // what the failed ones met with
	Degraded int            // answered without their user
	Refused  int            // answered 503 with Retry-After
	Resent   int            // times that an order was sent again
	Replayed int            // orders that were sent again though they were stored already
	Created  []int64        // ids of the orders that were acknowledged
	// When the last failed, degraded or refused one was sent, in Unix milliseconds; 0: none was.
	LastFailed, LastDegraded int64
	P50, P99                 float64 // milliseconds, connecting included
	OrdersP99, GoodP99       float64 // of the orders alone, and of what was answered in full
	Seconds, Sending         float64 // until the last was answered, and until it was sent
}

// result is what became of one request.
type result struct {
	began    time.Time
	took     time.Duration
	post     bool
	id       int64 // of the order that was created
	resent   int
	replayed bool
	degraded bool
	refused  bool
	err      error
}

// books gather results.
type books struct {
	began              time.Time
	mu                 sync.Mutex
	report             report
	took, orders, good []time.Duration
}

func newBooks() *books {
	return &books{began: time.Now(), report: report{Why: map[string]int{}}}
}

func (b *books) note(one result) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.report.Sent++
	b.report.Resent += one.resent
	b.report.Sending = max(b.report.Sending, one.began.Sub(b.began).Seconds())
	if one.replayed {
		b.report.Replayed++
	}
	b.took = append(b.took, one.took)
	if one.post {
		b.report.Orders++
		b.orders = append(b.orders, one.took)
	}
	if one.id != 0 {
		b.report.Created = append(b.report.Created, one.id)
	}
	b.tally(one)
}

// tally counts a result as what it is.
func (b *books) tally(one result) {
	at := one.began.UnixMilli()
	switch {
	case one.err != nil:
		b.report.Failed++
		b.report.Why[one.err.Error()]++
		b.report.LastFailed = max(b.report.LastFailed, at)
	case one.refused:
		b.report.Refused++
		b.report.LastDegraded = max(b.report.LastDegraded, at)
	case one.degraded:
		b.report.Degraded++
		b.report.LastDegraded = max(b.report.LastDegraded, at)
	default:
		b.good = append(b.good, one.took)
	}
}

func (b *books) summary() report {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.report.Seconds = time.Since(b.began).Seconds()
	b.report.P50, b.report.P99 = percentile(b.took, 0.5), percentile(b.took, 0.99)
	b.report.OrdersP99, b.report.GoodP99 = percentile(b.orders, 0.99), percentile(b.good, 0.99)
	return b.report
}

// percentile is in milliseconds; it sorts what it is given.
func percentile(took []time.Duration, share float64) float64 {
	if len(took) == 0 {
		return 0
	}
	slices.Sort(took)
	return float64(took[int(share*float64(len(took)-1))].Microseconds()) / 1000
}
