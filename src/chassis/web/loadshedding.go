package web

import (
	"context"
	"log/slog"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"tandem/src/chassis/connections"
)

const (
	// maxWait is the longest time that a request waits for a slot.
	maxWait = 200 * time.Millisecond
	// maxWaitingPerSlot is the maximum number of waiting requests for each slot: those that
	// are served within maxWait if one takes 12 ms, as at saturation. With fewer, most
	// clients of an overload are refused at once and come again at once, until the refusals
	// take the processor time of the requests that could be served.
	maxWaitingPerSlot = 16
	// refusalLogInterval is the period whose refusals one log line counts.
	refusalLogInterval = time.Second
	// pipelinedShare is the share of the slots, one of so many, that pipelined requests
	// can take.
	pipelinedShare = 16
)

// loadShedder limits the requests in flight. A request that finds no free slot
// waits for one, up to maxWait. If too many are waiting already, it is refused at
// once.
type loadShedder struct {
	slots     chan struct{} // holds one element for each request in flight
	waiting   chan struct{} // holds one element for each request that waits for a slot
	pipelined chan struct{} // holds one element for each pipelined request that has its turn
	active    prometheus.Gauge
	log       *slog.Logger
	refused   atomic.Int64 // refused requests that no log line has counted yet
}

func newLoadShedder(maxInFlight int, active prometheus.Gauge, log *slog.Logger) *loadShedder {
	return &loadShedder{
		slots: make(chan struct{}, maxInFlight), waiting: make(chan struct{}, maxWaitingPerSlot*maxInFlight),
		pipelined: make(chan struct{}, max(1, maxInFlight/pipelinedShare)), active: active, log: log,
	}
}

// acquire takes a slot for one request and reports whether it got one. Waiting
// for a slot is better than a refusal: most clients send their next request only
// after a response, so a burst that waits costs nothing, while a refusal costs
// a quarter of the processor time of a served request, nearly all of it in net/http
// and in the kernel.
//
// While the responses of other requests that wait to be sent are too large, it waits
// until they are sent or cut.
func (s *loadShedder) acquire(ctx context.Context, conn *connections.Conn) bool {
	if !conn.AwaitResponses(ctx) {
		return false
	}
	select {
	case s.slots <- struct{}{}:
	default:
		if !s.wait(ctx) {
			return false
		}
	}
	s.active.Inc()
	return true
}

// wait waits for a slot. It reports false if too many requests are waiting
// already, if maxWait passes or if the context ends.
func (s *loadShedder) wait(ctx context.Context) bool {
	select {
	case s.waiting <- struct{}{}:
		defer func() { <-s.waiting }()
	default:
		return false
	}
	timer := time.NewTimer(maxWait)
	defer timer.Stop()
	select {
	case s.slots <- struct{}{}:
		return true
	case <-timer.C:
	case <-ctx.Done():
	}
	return false
}

// release returns the slot of one request.
func (s *loadShedder) release() {
	s.active.Dec()
	<-s.slots
}

// awaitTurn waits until a pipelined request may be served. A client that sends its next
// requests without reading the responses costs as much as many others, so pipelined
// requests take few slots and wait for each other instead of being refused. awaitTurn
// reports false if the connection was closed meanwhile.
func (s *loadShedder) awaitTurn(conn *connections.Conn) bool {
	select {
	case s.pipelined <- struct{}{}:
		return true
	default:
	}
	if conn.Queue(func() { s.pipelined <- struct{}{} }) {
		return true
	}
	s.endTurn()
	return false
}

func (s *loadShedder) endTurn() { <-s.pipelined }

// countRefusal counts a refused request. One log line per refusalLogInterval
// states how many there were.
func (s *loadShedder) countRefusal() {
	if s.refused.Add(1) == 1 {
		time.AfterFunc(refusalLogInterval, func() {
			s.log.Warn("requests were refused because the service is busy", slog.Int64("count", s.refused.Swap(0)))
		})
	}
}
