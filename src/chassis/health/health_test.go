package health_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus/testutil"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"tandem/src/chassis/build"
	"tandem/src/chassis/health"
	"tandem/src/chassis/telemetry"
	"tandem/src/chassis/web"
	"tandem/src/testkit/telemetrytest"
)

// maxProbeDuration is how long the response to a probe may take.
const maxProbeDuration = 100 * time.Millisecond

// service serves /health as an App does.
type service struct {
	*health.Health
	router  *web.Router
	signals *telemetry.Telemetry
}

func newService(t *testing.T) *service {
	t.Helper()
	signals, _ := telemetrytest.New(t)
	s := &service{health.New(build.For("users-service"), signals.Registry), web.NewRouter(signals, 1), signals}
	s.router.HandleProbe("GET", "/health", s.Handle)
	return s
}

// request returns the status and the JSON members of a response. It checks that
// the response is fast.
func (s *service) request(t *testing.T, method, target string) (int, map[string]any) {
	t.Helper()
	start := time.Now()
	w := httptest.NewRecorder()
	s.router.ServeHTTP(w, httptest.NewRequest(method, target, nil))
	require.LessOrEqual(t, time.Since(start), maxProbeDuration)
	var members map[string]any
	require.NoError(t, json.Unmarshal(w.Body.Bytes(), &members), "%s", w.Body)
	require.Equal(t, w.Code == http.StatusServiceUnavailable, w.Header().Get("Retry-After") != "")
	return w.Code, members
}

func (s *service) requireReady(t *testing.T) {
	t.Helper()
	status, members := s.request(t, "GET", "/health?ready=1")
	require.Equal(t, http.StatusOK, status, "%v", members)
	s.requireReadyGauge(t, 1)
}

func (s *service) requireReadyGauge(t *testing.T, ready int) {
	t.Helper()
	want := fmt.Sprintf("# HELP service_ready Whether GET /health?ready=1 returns 200.\n# TYPE service_ready gauge\nservice_ready %d\n", ready)
	require.NoError(t, testutil.GatherAndCompare(s.signals.Registry, strings.NewReader(want), "service_ready"))
}

// requireNotReady checks that the readiness probe fails with the reason and that
// the liveness probe succeeds.
func (s *service) requireNotReady(t *testing.T, reason string) {
	t.Helper()
	status, members := s.request(t, "GET", "/health?ready=1")
	require.Equal(t, http.StatusServiceUnavailable, status)
	require.Equal(t, reason, members["error"])
	require.EqualValues(t, http.StatusServiceUnavailable, members["status"], "the body is a problem")
	s.requireReadyGauge(t, 0)
	status, _ = s.request(t, "GET", "/health")
	require.Equal(t, http.StatusOK, status)
}

func (s *service) requireStatus(t *testing.T, want string) {
	t.Helper()
	status, members := s.request(t, "GET", "/health")
	require.Equal(t, http.StatusOK, status)
	require.Equal(t, want, members["status"])
}

const (
	starting = "The service is still starting."
	noStore  = "The service cannot reach its database."
	draining = "The service is shutting down."
)

// store is a store whose health a test can change.
type store struct {
	broken atomic.Bool
	pings  atomic.Int64
}

func (s *store) ping(context.Context) error {
	s.pings.Add(1)
	if s.broken.Load() {
		return errors.New("no route to host")
	}
	return nil
}

// hang blocks until ctx ends.
func hang(ctx context.Context) error {
	<-ctx.Done()
	return ctx.Err()
}

// inBubble runs a test in a synctest bubble: time advances when all goroutines
// are blocked, and a goroutine that is left at the end fails the test.
func inBubble(t *testing.T, test func(t *testing.T)) {
	t.Helper()
	synctest.Test(t, test)
}

func TestReadiness(t *testing.T) {
	t.Run("begins after SetReady with a healthy store", func(t *testing.T) {
		inBubble(t, func(t *testing.T) {
			s, db := newService(t), &store{}
			s.requireNotReady(t, starting)
			s.requireStatus(t, "degraded")
			s.WatchStore(t.Context(), db.ping)
			s.requireNotReady(t, starting)
			s.requireStatus(t, "healthy")
			s.SetReady()
			s.requireReady(t)
		})
	})

	t.Run("requires a store", func(t *testing.T) {
		inBubble(t, func(t *testing.T) {
			s := newService(t)
			s.SetReady()
			s.requireNotReady(t, noStore)
		})
	})

	t.Run("follows the store, but liveness does not", func(t *testing.T) {
		inBubble(t, func(t *testing.T) {
			s, db := newService(t), &store{}
			s.WatchStore(t.Context(), db.ping)
			s.SetReady()
			s.requireReady(t)

			db.broken.Store(true)
			time.Sleep(time.Second + time.Millisecond)
			s.requireNotReady(t, noStore)
			s.requireStatus(t, "degraded")

			db.broken.Store(false)
			time.Sleep(time.Second)
			s.requireReady(t)
			s.requireStatus(t, "healthy")
		})
	})

	t.Run("goes on while the store only reads, as degraded", func(t *testing.T) {
		inBubble(t, func(t *testing.T) {
			s := newService(t)
			s.WatchStore(t.Context(), func(context.Context) error { return fmt.Errorf("full: %w", health.ErrDegraded) })
			s.SetReady()
			s.requireReady(t)
			s.requireStatus(t, "degraded")
			require.NoError(t, testutil.GatherAndCompare(s.signals.Registry, strings.NewReader(`
				# HELP dependency_up Whether the last check of a dependency found it healthy.
				# TYPE dependency_up gauge
				dependency_up{dependency="store"} 0
			`), "dependency_up"))
		})
	})

	t.Run("ends when the store hangs", func(t *testing.T) {
		inBubble(t, func(t *testing.T) {
			s := newService(t)
			var stuck atomic.Bool
			s.WatchStore(t.Context(), func(ctx context.Context) error {
				if stuck.Load() {
					return hang(ctx)
				}
				return nil
			})
			s.SetReady()
			s.requireReady(t)
			stuck.Store(true)
			time.Sleep(2 * time.Second)
			s.requireNotReady(t, noStore)
		})
	})

	t.Run("ends permanently with SetDraining", func(t *testing.T) {
		inBubble(t, func(t *testing.T) {
			s, db := newService(t), &store{}
			s.WatchStore(t.Context(), db.ping)
			s.SetReady()
			s.requireReady(t)
			s.SetDraining()
			s.requireNotReady(t, draining)
			s.SetReady()
			s.requireNotReady(t, draining)
		})
	})
}

func TestWatchStore(t *testing.T) {
	t.Run("pings once a second, independent of requests", func(t *testing.T) {
		inBubble(t, func(t *testing.T) {
			s, db := newService(t), &store{}
			s.WatchStore(t.Context(), db.ping)
			s.SetReady()
			for range 100 {
				s.requireReady(t)
			}
			require.EqualValues(t, 1, db.pings.Load())
			time.Sleep(10*time.Second + time.Millisecond)
			require.EqualValues(t, 11, db.pings.Load())
		})
	})
}

func TestWatchDependency(t *testing.T) {
	t.Run("is reported and exported but does not affect readiness", func(t *testing.T) {
		inBubble(t, func(t *testing.T) {
			s, db := newService(t), &store{}
			var state atomic.Value
			state.Store(health.Healthy)
			s.WatchStore(t.Context(), db.ping)
			s.WatchDependency(t.Context(), "peer", func(context.Context) string { return state.Load().(string) })
			s.SetReady()
			for _, tt := range []struct {
				state, status string
				up            int
			}{
				{health.Healthy, "healthy", 1},
				{health.Unhealthy, "degraded", 0},
				{health.Unreachable, "degraded", 0},
				{health.Healthy, "healthy", 1},
			} {
				state.Store(tt.state)
				time.Sleep(time.Second) // a result is at most one second old
				for _, target := range []string{"/health", "/health?ready=1"} {
					status, members := s.request(t, "GET", target)
					require.Equal(t, http.StatusOK, status)
					require.Equal(t, map[string]any{"peer": tt.state}, members["dependencies"])
					require.Equal(t, tt.status, members["status"])
				}
				require.NoError(t, testutil.GatherAndCompare(s.signals.Registry, strings.NewReader(fmt.Sprintf(`
				# HELP dependency_up Whether the last check of a dependency found it healthy.
				# TYPE dependency_up gauge
				dependency_up{dependency="peer"} %d
				dependency_up{dependency="store"} 1
			`, tt.up)), "dependency_up"))
			}
		})
	})

	t.Run("is known in the first response", func(t *testing.T) {
		inBubble(t, func(t *testing.T) {
			s := newService(t)
			s.WatchStore(t.Context(), func(context.Context) error { time.Sleep(70 * time.Millisecond); return nil })
			s.WatchDependency(t.Context(), "peer", func(context.Context) string { time.Sleep(50 * time.Millisecond); return health.Unhealthy })
			s.SetReady()
			_, members := s.request(t, "GET", "/health")
			require.Equal(t, map[string]any{"peer": health.Unhealthy}, members["dependencies"])
			s.requireReady(t)
		})
	})

	t.Run("ends with the context", func(t *testing.T) {
		ignored := goleak.IgnoreCurrent()
		s := newService(t)
		ctx, cancel := context.WithCancel(t.Context())
		s.WatchStore(ctx, hang)
		s.WatchDependency(ctx, "peer", func(ctx context.Context) string { _ = hang(ctx); return health.Unreachable })
		cancel()
		goleak.VerifyNone(t, ignored)
	})

	t.Run("discards the result of an aborted probe", func(t *testing.T) {
		inBubble(t, func(t *testing.T) {
			s, db := newService(t), &store{}
			ctx, cancel := context.WithCancel(t.Context())
			s.WatchStore(ctx, db.ping)
			var probes atomic.Int64
			s.WatchDependency(ctx, "peer", func(ctx context.Context) string {
				if probes.Add(1) > 1 {
					_ = hang(ctx)
					return health.Unreachable
				}
				return health.Healthy
			})
			s.requireStatus(t, "healthy")
			time.Sleep(510 * time.Millisecond) // during the second probe
			require.EqualValues(t, 2, probes.Load())
			cancel()
			synctest.Wait()
			s.requireStatus(t, "healthy")
		})
	})
}

func TestHandle(t *testing.T) {
	t.Run("responds quickly while every check hangs", func(t *testing.T) {
		inBubble(t, func(t *testing.T) {
			s := newService(t)
			s.WatchStore(t.Context(), hang)
			for _, peer := range []string{"one", "two"} {
				s.WatchDependency(t.Context(), peer, func(ctx context.Context) string { _ = hang(ctx); return health.Unreachable })
			}
			s.SetReady()
			for range 50 { // for five seconds
				s.requireNotReady(t, noStore)
				_, members := s.request(t, "GET", "/health")
				require.Equal(t, map[string]any{"one": health.Unreachable, "two": health.Unreachable}, members["dependencies"])
				time.Sleep(100 * time.Millisecond)
			}
		})
	})

	t.Run("responds quickly while the first check does not end", func(t *testing.T) {
		inBubble(t, func(t *testing.T) {
			s := newService(t)
			release := make(chan struct{})
			defer close(release)
			s.WatchStore(t.Context(), func(context.Context) error { <-release; return nil })
			s.SetReady()
			for range 20 {
				s.requireNotReady(t, noStore)
				time.Sleep(100 * time.Millisecond)
			}
		})
	})

	t.Run("refuses an invalid ready parameter", func(t *testing.T) {
		inBubble(t, func(t *testing.T) {
			s := newService(t)
			for _, query := range []string{"ready=x", "ready=", "ready", "ready=0", "ready=true", "ready=1&ready=1", "ready=%zz"} {
				status, members := s.request(t, "GET", "/health?"+query)
				require.Equal(t, http.StatusBadRequest, status, query)
				require.NotEmpty(t, members["errors"])
			}
			status, _ := s.request(t, "GET", "/health?verbose=1")
			require.Equal(t, http.StatusOK, status, "unknown parameters are ignored")
		})
	})

	t.Run("serves HEAD for both probes", func(t *testing.T) {
		inBubble(t, func(t *testing.T) {
			s, db := newService(t), &store{}
			s.WatchStore(t.Context(), db.ping)
			status, _ := s.request(t, "HEAD", "/health?ready=1")
			require.Equal(t, http.StatusServiceUnavailable, status)
			s.SetReady()
			for _, target := range []string{"/health", "/health?ready=1"} {
				status, _ = s.request(t, "HEAD", target)
				require.Equal(t, http.StatusOK, status)
			}
		})
	})

	t.Run("reports service, version and time", func(t *testing.T) {
		inBubble(t, func(t *testing.T) {
			s := newService(t)
			_, members := s.request(t, "GET", "/health")
			require.Equal(t, "users-service", members["service"])
			require.Equal(t, build.For("").Version, members["version"])
			require.NotContains(t, members, "dependencies")
			at, err := time.Parse(time.RFC3339Nano, members["timestamp"].(string))
			require.NoError(t, err)
			require.True(t, at.Equal(time.Now()))
			require.True(t, strings.HasSuffix(members["timestamp"].(string), "Z"), "UTC")
		})
	})
}

func TestAwaitHealthy(t *testing.T) {
	t.Run("returns when the dependency is healthy or the context ends", func(t *testing.T) {
		inBubble(t, func(t *testing.T) {
			s := newService(t)
			start := time.Now()
			s.WatchDependency(t.Context(), "peer", func(context.Context) string {
				switch {
				case time.Since(start) < 500*time.Millisecond:
					return health.Unreachable
				case time.Since(start) < 2300*time.Millisecond: // it is starting
					return health.Unhealthy
				default:
					return health.Healthy
				}
			})
			ctx, cancel := context.WithTimeout(t.Context(), time.Second)
			defer cancel()
			s.AwaitHealthy(ctx, "peer")
			require.Equal(t, time.Second, time.Since(start), "the context ended")
			ctx, cancel = context.WithTimeout(t.Context(), time.Minute)
			defer cancel()
			s.AwaitHealthy(ctx, "peer")
			require.InDelta(t, 2.3, time.Since(start).Seconds(), 0.05, "it is checked more often than twice a second")
		})
	})
}

func TestMetricNames(t *testing.T) {
	t.Run("follow the Prometheus conventions", func(t *testing.T) {
		inBubble(t, func(t *testing.T) {
			s, db := newService(t), &store{}
			s.WatchStore(t.Context(), db.ping)
			problems, err := testutil.GatherAndLint(s.signals.Registry)
			require.NoError(t, err)
			require.Empty(t, problems)
		})
	})
}
