package timing_test

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"tandem/src/chassis/timing"
)

func TestTiming(t *testing.T) {
	t.Run("names the parts of a request", func(t *testing.T) {
		var parts timing.Timing
		parts.AddCall(timing.Call{
			Peer: "users", Duration: 2500 * time.Microsecond, Retries: time.Millisecond, RetryCount: 1, Note: "shared",
			Parts: `users;dur=0.500;desc="users-1", users-store;dur=0.100`,
		})
		require.Equal(t,
			`orders;dur=4.007;desc="orders-1", users-call;dur=2.500;desc="shared", retries;dur=1.000;desc="1", `+
				`users;dur=0.500;desc="users-1", users-store;dur=0.100`,
			parts.Header("orders", "orders-1", 4007*time.Microsecond))
	})

	t.Run("adds up what happens several times", func(t *testing.T) {
		parts := new(timing.Timing)
		ctx := timing.NewContext(t.Context(), parts)
		start := time.Now().Add(-time.Second)
		timing.FromContext(ctx).AddStore(start)
		timing.FromContext(ctx).AddStore(start)
		parts.AddCall(timing.Call{Peer: "users", Duration: time.Second, Parts: "users;dur=1.000"})
		parts.AddCall(timing.Call{Peer: "users", Duration: time.Second})
		require.Regexp(t, `^orders;dur=0\.000, orders-store;dur=2\d\d\d\.\d\d\d, users-call;dur=2000\.000$`, parts.Header("orders", "", 0))
		require.Equal(t, 2*time.Second, parts.Call().Duration)
	})

	t.Run("does nothing where nobody asks", func(t *testing.T) {
		parts := timing.FromContext(context.Background())
		require.Nil(t, parts)
		parts.AddStore(time.Now())
		parts.AddCall(timing.Call{Peer: "users"})
		require.Zero(t, parts.Call())
	})

	t.Run("passes on only what a header may contain", func(t *testing.T) {
		for _, text := range []string{"a\r\nSet-Cookie: b", "ü", strings.Repeat("a", 513)} {
			var parts timing.Timing
			parts.AddCall(timing.Call{Peer: "users", Parts: text})
			require.Equal(t, "orders;dur=0.000, users-call;dur=0.000", parts.Header("orders", "", 0))
		}
		require.Equal(t, "pod-1", timing.Description("po\"d\n\\-1ü"))
	})

	t.Run("costs a request two allocations, of the context and of the text", func(t *testing.T) {
		var parts [101]timing.Timing // within what a request allocates anyway
		var text string
		n := 0
		allocations := testing.AllocsPerRun(len(parts)-1, func() {
			ctx := timing.NewContext(context.Background(), &parts[n])
			timing.FromContext(ctx).AddStore(time.Now())
			timing.FromContext(ctx).AddCall(timing.Call{
				Peer: "users", Note: "shared", Parts: `users;dur=0.500;desc="users-1", users-store;dur=0.100`,
			})
			text = parts[n].Header("orders", "orders-1", time.Millisecond)
			n++
		})
		require.LessOrEqual(t, allocations, 2.)
		require.NotEmpty(t, text)
	})
}
