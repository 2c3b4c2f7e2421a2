package client

import (
	"context"
	"fmt"
	"runtime"
	"runtime/debug"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promauto"
	"go.opentelemetry.io/otel/trace"

	"tandem/src/chassis/failure"
	"tandem/src/chassis/httpclient"
	"tandem/src/chassis/telemetry"
	"tandem/src/chassis/timing"
)

const (
	// minHold and maxHold bound how long a call under way holds back look-ups.
	minHold = 2 * time.Millisecond
	maxHold = 20 * time.Millisecond
	// usualWeight is the weight of a call in the average duration of calls.
	usualWeight = 1. / 8
)

// sharing lets look-ups of single users share calls to the users service.
//
// A look-up that finds no call under way makes one at once, GET /users/{id}. While a
// call is under way, further look-ups gather. They go as one batch, GET /users?ids=…,
// when the call returns, when it has taken twice as long as calls usually take, or
// when they are MaxIDs. So nothing waits on purpose, a slow response holds back only
// its own batch, and one failed call affects at most MaxIDs look-ups.
//
// A look-up joins a batch before its call begins, so it never gets a response that is
// older than itself. Its caller leaves the batch when its context ends; the call is
// cancelled only when all have left. A look-up whose trace is recorded makes a call
// by itself, because the spans of a shared call would belong to one trace only.
type sharing struct {
	one  func(ctx context.Context, id int64) (User, error)              // GET /users/{id}
	many func(ctx context.Context, ids []int64) (map[int64]User, error) // GET /users?ids=…

	lookupsPerCall prometheus.Histogram
	off            bool // mechanism Sharing is disabled
	holdForever    bool // mechanism HoldBound is disabled

	calls sync.WaitGroup // of batches
	mu    sync.Mutex
	// current is the number of the last call that began; later look-ups gather while
	// it is under way. Earlier calls may be under way too; they hold back nobody.
	current  int
	underWay bool
	began    time.Time     // the current call
	usual    time.Duration // moving average of the duration of successful calls
	gathered *batch        // nil if no look-up waits
}

// batch is a group of look-ups with a common call.
type batch struct {
	ids     []int64           // of its look-ups, in the order of their arrival
	span    trace.SpanContext // of the first look-up; not sampled
	waiting int               // look-ups whose callers have not left
	overdue *time.Timer       // starts the call; nil if nothing but the current call does
	cancel  func()            // of the call; nil before it begins
	parts   timing.Timing     // of the call

	done     chan struct{} // closed when the members below are set
	users    map[int64]User
	err      error
	panicked string // the value and the stack; empty if the call did not panic
}

func newSharing(c *Client, config httpclient.Config) *sharing {
	return &sharing{
		one: c.getUser, many: c.Users,
		off: config.Disabled(httpclient.Sharing), holdForever: config.Disabled(httpclient.HoldBound),
		lookupsPerCall: newLookupsPerCall(config.Registry),
	}
}

func newLookupsPerCall(registry prometheus.Registerer) prometheus.Histogram {
	return promauto.With(registry).NewHistogram(telemetry.CountOpts(
		"users_client_lookups_per_call", "Look-ups of single users that a call to the users service was made for."))
}

// user returns the user with that ID, through a call of its own or a shared one.
func (s *sharing) user(ctx context.Context, id int64) (User, error) {
	span := trace.SpanContextFromContext(ctx)
	if s.off || span.IsSampled() || id < 1 { // in a batch, an ID below 1 would make the call invalid
		s.lookupsPerCall.Observe(1)
		return s.one(ctx, id)
	}
	b, call := s.joinOrBegin(id, span)
	if b != nil {
		return s.await(ctx, b, id)
	}
	return s.alone(ctx, call, id)
}

// joinOrBegin adds a look-up to the batch that gathers and returns it. If none gathers
// and no call holds the look-up back, it returns no batch, but the number of the call
// that the caller must make.
func (s *sharing) joinOrBegin(id int64, span trace.SpanContext) (b *batch, call int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.gathered == nil {
		hold := s.hold() - time.Since(s.began)
		if !s.underWay || hold <= 0 && !s.holdForever {
			return nil, s.begin()
		}
		s.gathered = &batch{span: span, done: make(chan struct{})}
		if call := s.current; !s.holdForever {
			s.gathered.overdue = time.AfterFunc(hold, func() { s.next(call) })
		}
	}
	b = s.gathered
	b.ids = append(b.ids, id)
	b.waiting++
	if len(b.ids) == MaxIDs {
		s.start()
	}
	return b, 0
}

// hold returns for how long a call holds back look-ups that come after it.
func (s *sharing) hold() time.Duration { return min(max(2*s.usual, minHold), maxHold) }

// begin makes a new call the current one and returns its number.
func (s *sharing) begin() int {
	s.current++
	s.underWay, s.began = true, time.Now()
	return s.current
}

// next lets the gathered look-ups go, if call is the current one: it has ended, or is
// overdue.
func (s *sharing) next(call int) {
	runtime.Gosched() // who can run now may join the gathered look-ups; if nobody can, this returns at once
	s.mu.Lock()
	defer s.mu.Unlock()
	if call != s.current {
		return
	}
	s.underWay = false
	if s.gathered != nil {
		s.start()
	}
}

// start begins the call of the look-ups that have gathered, unless all callers have left.
func (s *sharing) start() {
	b := s.gathered
	s.gathered = nil
	if b.overdue != nil {
		b.overdue.Stop()
	}
	if b.waiting == 0 {
		return
	}
	call, waiting := s.begin(), b.waiting
	ctx, cancel := context.WithCancel(timing.NewContext(trace.ContextWithSpanContext(context.Background(), b.span), &b.parts))
	b.cancel = cancel
	s.calls.Go(func() {
		defer cancel()
		s.run(ctx, b, call, waiting)
	})
}

// run makes the call of a batch.
func (s *sharing) run(ctx context.Context, b *batch, call, lookups int) {
	defer s.next(call)
	defer close(b.done)
	defer func() {
		if v := recover(); v != nil {
			b.panicked = fmt.Sprintf("%v\n%s", v, debug.Stack())
		}
	}()
	s.lookupsPerCall.Observe(float64(lookups))
	began := time.Now()
	if ids := distinct(b.ids); len(ids) == 1 {
		b.users = map[int64]User{}
		b.users[ids[0]], b.err = s.one(ctx, ids[0])
	} else {
		b.users, b.err = s.many(ctx, ids)
	}
	s.record(began, b.err)
}

// distinct returns the IDs without repetitions.
func distinct(ids []int64) []int64 { return slices.Compact(slices.Sorted(slices.Values(ids))) }

// alone makes the call of a single look-up.
func (s *sharing) alone(ctx context.Context, call int, id int64) (User, error) {
	defer s.next(call)
	s.lookupsPerCall.Observe(1)
	began := time.Now()
	user, err := s.one(ctx, id)
	s.record(began, err)
	return user, err
}

// record adds the duration of a call to the average of successful ones.
func (s *sharing) record(began time.Time, err error) {
	if err != nil && failure.CodeOf(err) != failure.NotFound {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.usual += time.Duration(usualWeight * float64(time.Since(began)-s.usual))
}

// await returns the user of one look-up of a batch when its call has ended. It panics
// if the call did, as a call by itself would do.
func (s *sharing) await(ctx context.Context, b *batch, id int64) (User, error) {
	if t := timing.FromContext(ctx); t != nil {
		defer b.tellParts(t, time.Now())
	}
	select {
	case <-b.done:
	case <-ctx.Done():
		s.leave(b)
		return User{}, unavailable(fmt.Errorf("GET /users: %w", ctx.Err()))
	}
	if b.panicked != "" {
		panic(b.panicked)
	}
	if b.err != nil {
		return User{}, b.err
	}
	user, exists := b.users[id]
	if !exists {
		return User{}, notFound()
	}
	return user, nil
}

// tellParts adds the call to the Timing of a look-up that has waited for it since begin.
func (b *batch) tellParts(t *timing.Timing, begin time.Time) {
	call := b.parts.Call()
	call.Peer, call.Duration = timing.ShortName(ServiceName), time.Since(begin)
	call.Note = strings.TrimSuffix("shared, "+call.Note, ", ")
	t.AddCall(call)
}

// leave cancels the call of a batch when no caller waits for it any more.
func (s *sharing) leave(b *batch) {
	s.mu.Lock()
	defer s.mu.Unlock()
	b.waiting--
	if b.waiting == 0 && b.cancel != nil {
		b.cancel()
	}
}
