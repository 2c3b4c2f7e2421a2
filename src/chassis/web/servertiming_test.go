package web_test

import (
	"fmt"
	"net/http"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"tandem/src/chassis/failure"
	"tandem/src/chassis/timing"
)

func TestServerTiming(t *testing.T) {
	t.Run("each answer tells where its time went", func(t *testing.T) {
		s := newService(t)
		s.SendServerTiming("things-service")
		s.Handle("GET", "/stored", func(w http.ResponseWriter, r *http.Request) error {
			timing.FromContext(r.Context()).AddStore(time.Now().Add(-time.Second))
			return ok(w, r)
		})
		s.Handle("GET", "/broken", failWith(failure.New(failure.Unavailable, "Not now.")))
		const own = `^things;dur=\d+\.\d{3};desc="[^"]+"`
		require.Regexp(t, own+`$`, s.request("GET", "/things").Header().Get("Server-Timing"))
		require.Regexp(t, own+`, things-store;dur=1\d{3}\.\d{3}$`, s.request("GET", "/stored").Header().Get("Server-Timing"))
		require.Regexp(t, own+`$`, s.request("GET", "/broken").Header().Get("Server-Timing"))
		require.Regexp(t, own+`$`, s.request("GET", "/nope").Header().Get("Server-Timing"))
	})

	t.Run("probes have none, and nothing has one where it is off", func(t *testing.T) {
		s := newService(t)
		require.Empty(t, s.request("GET", "/things").Header().Get("Server-Timing"))
		s.SendServerTiming("things-service")
		require.Empty(t, s.request("GET", "/health").Header().Get("Server-Timing"))
	})

	t.Run("tells the duration that the log line tells", func(t *testing.T) {
		s := newService(t)
		s.SendServerTiming("things-service")
		text := s.request("GET", "/things").Header().Get("Server-Timing")
		var milliseconds float64
		_, err := fmt.Sscanf(text, "things;dur=%f;", &milliseconds)
		require.NoError(t, err)
		require.InDelta(t, milliseconds/1000, s.log.Lines(t, "request")[0]["duration_seconds"], 1e-6)
	})
}
