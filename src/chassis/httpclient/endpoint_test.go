package httpclient

import (
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
)

func TestEndpoint(t *testing.T) {
	t.Run("counts consecutive failures", func(t *testing.T) {
		e := newEndpoint(testBalancer("10.0.0.1").endpoints.Load().endpoints[0].AddrPort)
		end := func(o outcome) bool { e.begin(time.Now()); return e.end(time.Now(), time.Millisecond, o) }
		for range 2 {
			assert.False(t, end(outcomeFailure))
			assert.False(t, end(outcomeFailure))
			assert.False(t, end(outcomeUnknown))
			assert.False(t, end(outcomeSuccess))
		}
		assert.False(t, end(outcomeFailure))
		assert.False(t, end(outcomeFailure))
		assert.True(t, end(outcomeFailure))
		assert.True(t, end(outcomeConnError))
	})

	t.Run("weights latency by time", func(t *testing.T) {
		e := newEndpoint(testBalancer("10.0.0.1").endpoints.Load().endpoints[0].AddrPort)
		now := time.Now()
		sample := func(duration time.Duration, o outcome) { e.begin(now); e.end(now, duration, o) }
		sample(time.Second, outcomeSuccess)
		at := func(after time.Duration) time.Duration { return time.Duration(e.load(now.Add(after))) }
		assert.InDelta(t, time.Second, at(0), float64(time.Millisecond))
		assert.InDelta(t, 368*time.Millisecond, at(latencyDecay), float64(time.Millisecond))
		for range 1000 {
			sample(time.Millisecond, outcomeSuccess)
		}
		assert.InDelta(t, time.Second, at(0), float64(time.Millisecond), "a thousand samples at one instant have no weight")
		sample(time.Microsecond, outcomeUnknown)
		assert.InDelta(t, time.Second, at(0), float64(time.Millisecond), "a short attempt with an unknown outcome does not lower the latency")
		now = now.Add(latencyDecay)
		sample(300*time.Millisecond, outcomeUnknown)
		assert.InDelta(t, 368*time.Millisecond, at(0), float64(time.Millisecond), "nor does one that is shorter than the decayed latency")
		sample(500*time.Millisecond, outcomeUnknown)
		assert.InDelta(t, 684*time.Millisecond, at(0), float64(time.Millisecond), "one that is longer raises it")
		sample(2*time.Second, outcomeFailure)
		assert.InDelta(t, 684*time.Millisecond, at(0), float64(time.Millisecond), "a slow attempt at the time of the last one has no weight")
		now = now.Add(latencyDecay)
		sample(2*time.Second, outcomeFailure)
		assert.InDelta(t, 1516*time.Millisecond, at(0), float64(time.Millisecond), "a slow attempt later has weight")
	})

	t.Run("is not proven reachable after a connection error", func(t *testing.T) {
		e := newEndpoint(testBalancer("10.0.0.1").endpoints.Load().endpoints[0].AddrPort)
		now := time.Now()
		e.begin(now)
		e.end(now, time.Millisecond, outcomeSuccess)
		assert.True(t, e.proven(now))
		e.begin(now)
		e.end(now, time.Millisecond, outcomeConnError)
		assert.False(t, e.proven(now))
	})
}
