package client

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	dto "github.com/prometheus/client_model/go"
	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/otel/trace"

	"tandem/src/chassis/failure"
	"tandem/src/chassis/timing"
)

// fakeCalls makes the calls of a sharing. Each call takes as long as the IDs in it say
// (slow), and is recorded.
type fakeCalls struct {
	*sharing
	duration time.Duration // of each call

	mu    sync.Mutex
	slow  map[int64]time.Duration // what calls with that ID take
	fail  error
	calls []string // the IDs of each call, in the order of their beginnings
}

func newFakeCalls(duration time.Duration) *fakeCalls {
	f := &fakeCalls{duration: duration, slow: map[int64]time.Duration{}}
	f.sharing = &sharing{one: f.getOne, many: f.getMany, lookupsPerCall: newLookupsPerCall(nil)}
	return f
}

func (f *fakeCalls) getOne(ctx context.Context, id int64) (User, error) {
	users, err := f.get(ctx, "one", []int64{id})
	if user, exists := users[id]; exists || err != nil {
		return user, err
	}
	return User{}, notFound()
}

func (f *fakeCalls) getMany(ctx context.Context, ids []int64) (map[int64]User, error) {
	return f.get(ctx, "many", ids)
}

// get returns the users whose IDs are below 1000.
func (f *fakeCalls) get(ctx context.Context, route string, ids []int64) (map[int64]User, error) {
	f.mu.Lock()
	f.calls = append(f.calls, fmt.Sprint(route, ids))
	fail, wait := f.fail, f.duration
	users := map[int64]User{}
	for _, id := range ids {
		wait = max(wait, f.slow[id])
		if id < 1000 {
			users[id] = User{ID: id}
		}
	}
	f.mu.Unlock()
	select {
	case <-time.After(wait):
		return users, fail
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

func (f *fakeCalls) made() []string {
	f.mu.Lock()
	defer f.mu.Unlock()
	return slices.Clone(f.calls)
}

// lookUp looks up IDs, each in a goroutine of its own, in this order.
func (f *fakeCalls) lookUp(t *testing.T, ids ...int64) *sync.WaitGroup {
	var lookups sync.WaitGroup
	for _, id := range ids {
		lookups.Go(func() {
			user, err := f.user(t.Context(), id)
			if err != nil || user.ID != id {
				t.Errorf("the user %d is %v, %v", id, user, err)
			}
		})
		synctest.Wait()
	}
	return &lookups
}

// inBubble runs a test in which time passes only while every goroutine waits.
func inBubble(t *testing.T, name string, test func(t *testing.T)) {
	t.Run(name, func(t *testing.T) { synctest.Test(t, test) })
}

func TestSharedParts(t *testing.T) {
	inBubble(t, "tells each look-up that its call was shared, and for how long it has waited", func(t *testing.T) {
		f := newFakeCalls(time.Millisecond)
		lookups := f.lookUp(t, 1)
		var parts [2]timing.Timing
		for i := range parts {
			lookups.Go(func() {
				_, err := f.user(timing.NewContext(t.Context(), &parts[i]), int64(i+2))
				require.NoError(t, err)
			})
		}
		lookups.Wait()
		require.Equal(t, []string{"one[1]", "many[2 3]"}, f.made())
		for i := range parts {
			require.Equal(t, timing.Call{Peer: "users", Note: "shared", Duration: 2 * time.Millisecond}, parts[i].Call())
		}
	})
}

func TestSharing(t *testing.T) {
	inBubble(t, "looks up a single user at once and alone", func(t *testing.T) {
		f := newFakeCalls(time.Millisecond)
		begin := time.Now()
		for _, id := range []int64{1, 2, 2} {
			f.lookUp(t, id).Wait()
		}
		require.Equal(t, []string{"one[1]", "one[2]", "one[2]"}, f.made())
		require.Equal(t, 3*time.Millisecond, time.Since(begin), "nothing waits on purpose")
	})
	inBubble(t, "makes one call for all that gather during a call, once for each ID", func(t *testing.T) {
		f := newFakeCalls(time.Millisecond)
		f.lookUp(t, 5, 3, 2, 3, 9, 5).Wait()
		require.Equal(t, []string{"one[5]", "many[2 3 5 9]"}, f.made())
	})
	inBubble(t, "makes a call for one user if all that gather want the same", func(t *testing.T) {
		f := newFakeCalls(time.Millisecond)
		f.lookUp(t, 1, 1, 1).Wait()
		require.Equal(t, []string{"one[1]", "one[1]"}, f.made())
	})
	inBubble(t, "makes a call for each 100 look-ups, even of the same user", func(t *testing.T) {
		f := newFakeCalls(time.Millisecond)
		ids := append(make([]int64, 0, 252), 500)
		for i := range 251 {
			ids = append(ids, int64(1+i%10))
		}
		f.lookUp(t, ids...).Wait()
		require.Equal(t, []string{"one[500]", "many[1 2 3 4 5 6 7 8 9 10]", "many[1 2 3 4 5 6 7 8 9 10]", "many[1 2 3 4 5 6 7 8 9 10]"}, f.made())
		require.Equal(t, map[string]float64{"calls": 4, "look-ups": 252, "calls for more than 64": 2}, f.measured(t))
	})
	inBubble(t, "reports a user who is not in a complete response as unknown", func(t *testing.T) {
		f := newFakeCalls(time.Millisecond)
		first := f.lookUp(t, 1, 2)
		_, err := f.user(t.Context(), 1001)
		require.Equal(t, failure.NotFound, failure.CodeOf(err))
		first.Wait()
		require.Equal(t, []string{"one[1]", "many[2 1001]"}, f.made())
	})
	inBubble(t, "does not send an ID below 1 together with others", func(t *testing.T) {
		f := newFakeCalls(time.Millisecond)
		f.lookUp(t, 1, 0, 2, -1, 3).Wait()
		require.Equal(t, []string{"one[1]", "one[0]", "one[-1]", "many[2 3]"}, f.made())
	})
	inBubble(t, "returns the error of a call to all of its look-ups", func(t *testing.T) {
		f := newFakeCalls(time.Millisecond)
		f.fail = unavailable(errors.New("broken"))
		var failed atomic.Int64
		var lookups sync.WaitGroup
		for id := range int64(4) {
			lookups.Go(func() {
				if _, err := f.user(t.Context(), id+1); failure.CodeOf(err) == failure.Unavailable {
					failed.Add(1)
				}
			})
		}
		lookups.Wait()
		require.EqualValues(t, 4, failed.Load())
		require.Len(t, f.made(), 2)
	})
	inBubble(t, "panics in each look-up of a call that panics, and goes on", func(t *testing.T) {
		f := newFakeCalls(time.Millisecond)
		f.many = func(context.Context, []int64) (map[int64]User, error) { panic("defect") }
		first := f.lookUp(t, 1)
		var panics atomic.Int64
		for id := range int64(3) {
			first.Go(func() {
				defer func() {
					if text, isText := recover().(string); isText && text[:6] == "defect" {
						panics.Add(1)
					}
				}()
				_, _ = f.user(t.Context(), id+2)
			})
		}
		first.Wait()
		require.EqualValues(t, 3, panics.Load())
		f.lookUp(t, 7).Wait()
	})
}

// measured returns what the histogram of look-ups per call says.
func (f *fakeCalls) measured(t *testing.T) map[string]float64 {
	t.Helper()
	registry := prometheus.NewRegistry()
	registry.MustRegister(f.lookupsPerCall)
	families, err := registry.Gather()
	require.NoError(t, err)
	h := families[0].Metric[0].Histogram
	i := slices.IndexFunc(h.Bucket, func(b *dto.Bucket) bool { return b.GetUpperBound() == 64 })
	large := h.GetSampleCount() - h.Bucket[i].GetCumulativeCount()
	return map[string]float64{"calls": float64(h.GetSampleCount()), "look-ups": h.GetSampleSum(), "calls for more than 64": float64(large)}
}

func TestHold(t *testing.T) {
	inBubble(t, "a slow call holds back no look-up longer than 20 ms, and its own alone waits for it", func(t *testing.T) {
		f := newFakeCalls(time.Millisecond)
		f.slow[13] = 5 * time.Second
		for id := range int64(50) { // makes the usual duration 1 ms
			f.lookUp(t, id+100).Wait()
		}
		begin := time.Now()
		slow := f.lookUp(t, 13)
		f.lookUp(t, 1, 2).Wait()
		require.Equal(t, 3*time.Millisecond, time.Since(begin).Round(time.Millisecond), "twice the usual duration, and a call")
		f.lookUp(t, 3).Wait()
		require.Equal(t, 4*time.Millisecond, time.Since(begin).Round(time.Millisecond), "the slow call holds back nobody any more")
		slow.Wait()
		require.Equal(t, 5*time.Second, time.Since(begin))
	})
	inBubble(t, "is twice the average duration of successful calls, from 2 to 20 ms", func(t *testing.T) {
		for duration, want := range map[time.Duration]time.Duration{
			100 * time.Microsecond: 2 * time.Millisecond, 3 * time.Millisecond: 6 * time.Millisecond, time.Second: 20 * time.Millisecond,
		} {
			f := newFakeCalls(duration)
			for range 100 {
				f.lookUp(t, 1).Wait()
			}
			require.Equal(t, want, f.hold().Round(10*time.Microsecond))
			f.duration, f.fail = time.Minute, unavailable(errors.New("broken"))
			for range 100 {
				_, err := f.user(t.Context(), 1)
				require.Error(t, err)
			}
			require.Equal(t, want, f.hold().Round(10*time.Microsecond), "failures do not count")
		}
	})
	inBubble(t, "without its bound, look-ups wait for the call under way", func(t *testing.T) {
		f := newFakeCalls(time.Millisecond)
		f.holdForever = true
		f.slow[13] = 5 * time.Second
		begin := time.Now()
		f.lookUp(t, 13, 1, 2).Wait()
		require.Equal(t, 5*time.Second+time.Millisecond, time.Since(begin))
		require.Equal(t, []string{"one[13]", "many[1 2]"}, f.made())
	})
}

func TestLeaving(t *testing.T) {
	inBubble(t, "takes nobody along", func(t *testing.T) {
		f := newFakeCalls(10 * time.Millisecond)
		others := f.lookUp(t, 1, 2)
		for _, wait := range []time.Duration{0, time.Millisecond, 11 * time.Millisecond} { // before and during the call
			others.Go(func() {
				ctx, cancel := context.WithTimeout(t.Context(), wait)
				defer cancel()
				_, err := f.user(ctx, 3)
				if !errors.Is(err, context.DeadlineExceeded) || failure.CodeOf(err) != failure.Unavailable {
					t.Errorf("the error of the one who left is %v", err)
				}
			})
		}
		others.Wait()
		require.Equal(t, []string{"one[1]", "many[2 3]"}, f.made())
	})
	inBubble(t, "of all makes their call superfluous", func(t *testing.T) {
		f := newFakeCalls(10 * time.Millisecond)
		ctx, cancel := context.WithCancel(t.Context())
		first := f.lookUp(t, 1)
		for range 3 {
			first.Go(func() { _, _ = f.user(ctx, 2) })
		}
		synctest.Wait()
		cancel()
		first.Wait()
		f.lookUp(t, 3).Wait()
		require.Equal(t, []string{"one[1]", "one[3]"}, f.made())
		require.Equal(t, map[string]float64{"calls": 2, "look-ups": 2, "calls for more than 64": 0}, f.measured(t))
	})
	inBubble(t, "of all cancels their call", func(t *testing.T) {
		f := newFakeCalls(10 * time.Millisecond)
		f.slow[2] = time.Hour
		begin := time.Now()
		first := f.lookUp(t, 1)
		for range 2 {
			first.Go(func() {
				ctx, cancel := context.WithTimeout(t.Context(), time.Second)
				defer cancel()
				_, _ = f.user(ctx, 2)
			})
		}
		first.Wait()
		f.sharing.calls.Wait()
		require.Equal(t, time.Second, time.Since(begin))
	})
	inBubble(t, "by the one who makes a call alone lets the others go", func(t *testing.T) {
		f := newFakeCalls(time.Millisecond)
		f.slow[1] = time.Hour
		ctx, cancel := context.WithTimeout(t.Context(), time.Microsecond)
		defer cancel()
		begin := time.Now()
		var lookups sync.WaitGroup
		lookups.Go(func() { _, _ = f.user(ctx, 1) })
		synctest.Wait()
		lookups.Go(func() { f.lookUp(t, 2, 3).Wait() })
		lookups.Wait()
		require.Equal(t, time.Millisecond+time.Microsecond, time.Since(begin))
	})
}

func TestNotShared(t *testing.T) {
	sampled := func(t *testing.T, flags trace.TraceFlags) context.Context {
		return trace.ContextWithSpanContext(t.Context(), trace.NewSpanContext(trace.SpanContextConfig{
			TraceID: trace.TraceID{1}, SpanID: trace.SpanID{2}, TraceFlags: flags,
		}))
	}
	inBubble(t, "a look-up whose trace is recorded makes a call by itself, and holds back nobody", func(t *testing.T) {
		f := newFakeCalls(time.Millisecond)
		begin := time.Now()
		var lookups sync.WaitGroup
		for id := range int64(4) {
			lookups.Go(func() { _, _ = f.user(sampled(t, trace.FlagsSampled), id) })
			synctest.Wait()
		}
		f.lookUp(t, 7).Wait()
		lookups.Wait()
		require.Equal(t, []string{"one[0]", "one[1]", "one[2]", "one[3]", "one[7]"}, f.made())
		require.Equal(t, time.Millisecond, time.Since(begin))
		require.Equal(t, map[string]float64{"calls": 5, "look-ups": 5, "calls for more than 64": 0}, f.measured(t))
	})
	inBubble(t, "the call of a batch belongs to the trace of its first look-up", func(t *testing.T) {
		f := newFakeCalls(time.Millisecond)
		var span trace.SpanContext
		f.many = func(ctx context.Context, ids []int64) (map[int64]User, error) {
			span = trace.SpanContextFromContext(ctx)
			return f.getMany(ctx, ids)
		}
		lookups := f.lookUp(t, 1)
		ctx := sampled(t, 0)
		lookups.Go(func() { _, _ = f.user(ctx, 2) })
		synctest.Wait()
		f.lookUp(t, 3).Wait()
		lookups.Wait()
		require.Equal(t, trace.SpanContextFromContext(ctx), span)
	})
	inBubble(t, "without the mechanism, each look-up makes a call by itself", func(t *testing.T) {
		f := newFakeCalls(time.Millisecond)
		f.off = true
		var want []string
		for id := range int64(5) {
			want = append(want, "one["+strconv.FormatInt(id+1, 10)+"]")
		}
		f.lookUp(t, 1, 2, 3, 4, 5).Wait()
		require.Equal(t, want, f.made())
	})
}
