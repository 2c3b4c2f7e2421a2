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
	// maxWaitingPerSlot is the maximum number of waiting requests for each slot.
	maxWaitingPerSlot = 4
	// refusalLogInterval is the period whose refusals one log line counts.
	refusalLogInterval = time.Second
	// smallResponse is the size in bytes up to which a response is not counted:
	// net/http and the kernel buffer it for its connection.
	smallResponse = 4 << 10
	// maxUnsent bounds the bytes of larger responses that wait to be sent.
	maxUnsent = 16 << 20
)

// loadShedder limits the requests in flight. A request that finds no free slot
// waits for one, up to maxWait. If too many are waiting already, it is refused at
// once.
type loadShedder struct {
	slots   chan struct{} // holds one element for each request in flight
	waiting chan struct{} // holds one element for each request that waits for a slot
	active  prometheus.Gauge
	log     *slog.Logger
	bodies  chan struct{} // holds one element for each large body in memory
	unsent  atomic.Int64  // bytes of larger responses that wait to be sent
	refused atomic.Int64  // refused requests that no log line has counted yet
}

func newLoadShedder(maxInFlight int, active prometheus.Gauge, log *slog.Logger) *loadShedder {
	return &loadShedder{
		slots: make(chan struct{}, maxInFlight), waiting: make(chan struct{}, maxWaitingPerSlot*maxInFlight),
		active: active, bodies: make(chan struct{}, maxLargeBodies), log: log,
	}
}

// acquire takes a slot for one request and reports whether it got one. Waiting
// for a slot is better than a refusal: most clients send their next request only
// after a response, so a burst that waits costs nothing, while a refusal costs
// about a sixth of the processor time of a served request.
//
// While too many responses wait to be sent, acquire closes the connections of
// clients that do not read theirs; without such clients it refuses the request.
func (s *loadShedder) acquire(ctx context.Context) bool {
	if s.unsent.Load() > maxUnsent && !connections.Of(ctx).CutUnread() {
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

// acquireBody waits until a large body may be read, up to maxBodyWait, and reports
// whether it may. It cuts large bodies that make no progress.
func (s *loadShedder) acquireBody(conn *connections.Conn) bool {
	select {
	case s.bodies <- struct{}{}:
		return true
	default:
	}
	conn.CutSlowBodies(smallBody)
	timer := time.NewTimer(maxBodyWait)
	defer timer.Stop()
	select {
	case s.bodies <- struct{}{}:
		return true
	case <-timer.C:
		return false
	}
}

func (s *loadShedder) releaseBody() { <-s.bodies }

// send sends a response, which counts as unsent until then.
func (s *loadShedder) send(rec *responseRecorder) {
	if size := int64(len(rec.body)); size > smallResponse {
		s.unsent.Add(size)
		defer s.unsent.Add(-size)
	}
	rec.send()
}

// countRefusal counts a refused request. One log line per refusalLogInterval
// states how many there were.
func (s *loadShedder) countRefusal() {
	if s.refused.Add(1) == 1 {
		time.AfterFunc(refusalLogInterval, func() {
			s.log.Warn("requests were refused because the service is busy", slog.Int64("count", s.refused.Swap(0)))
		})
	}
}
