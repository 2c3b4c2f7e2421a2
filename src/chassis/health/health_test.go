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

// probeBound is what a probe may have to wait, at most.
const probeBound = 100 * time.Millisecond

// service answers /health as a host does.
type service struct {
	*health.Health
	router  *web.Router
	signals *telemetry.Telemetry
}

func newService(t *testing.T) *service {
	t.Helper()
	signals, _ := telemetrytest.New(t)
	s := &service{health.New(build.For("users-service"), signals.Registry), web.NewRouter(signals, 1), signals}
	s.router.HandleProbe("GET", "/health", s.Get)
	return s
}

// ask gives the status and the members of an answer, which must not be waited
// for long.
func (s *service) ask(t *testing.T, method, target string) (int, map[string]any) {
	t.Helper()
	began := time.Now()
	w := httptest.NewRecorder()
	s.router.ServeHTTP(w, httptest.NewRequest(method, target, nil))
	require.LessOrEqual(t, time.Since(began), probeBound)
	var members map[string]any
	require.NoError(t, json.Unmarshal(w.Body.Bytes(), &members), "%s", w.Body)
	require.Equal(t, w.Code == http.StatusServiceUnavailable, w.Header().Get("Retry-After") != "")
	return w.Code, members
}

func (s *service) requireReady(t *testing.T) {
	t.Helper()
	status, members := s.ask(t, "GET", "/health?ready=1")
	require.Equal(t, http.StatusOK, status, "%v", members)
	s.requireGauge(t, 1)
}

func (s *service) requireGauge(t *testing.T, ready int) {
	t.Helper()
	want := fmt.Sprintf("# HELP service_ready Whether GET /health?ready=1 answers 200.\n# TYPE service_ready gauge\nservice_ready %d\n", ready)
	require.NoError(t, testutil.GatherAndCompare(s.signals.Registry, strings.NewReader(want), "service_ready"))
}

// requireNotReady checks that the service is not ready for that reason, and
// alive all the same.
func (s *service) requireNotReady(t *testing.T, why string) {
	t.Helper()
	status, members := s.ask(t, "GET", "/health?ready=1")
	require.Equal(t, http.StatusServiceUnavailable, status)
	require.Equal(t, why, members["error"])
	require.EqualValues(t, http.StatusServiceUnavailable, members["status"], "a problem")
	s.requireGauge(t, 0)
	status, _ = s.ask(t, "GET", "/health")
	require.Equal(t, http.StatusOK, status)
}

func (s *service) requireStatus(t *testing.T, want string) {
	t.Helper()
	status, members := s.ask(t, "GET", "/health")
	require.Equal(t, http.StatusOK, status)
	require.Equal(t, want, members["status"])
}

const (
	starting = "The service is still starting."
	noStore  = "The service cannot reach its database."
	leaving  = "The service is shutting down."
)

// store is one whose health a test can change.
type store struct {
	broken atomic.Bool
	asked  atomic.Int64
}

func (s *store) ping(context.Context) error {
	s.asked.Add(1)
	if s.broken.Load() {
		return errors.New("no route to host")
	}
	return nil
}

// hang is a check that gives up only when it is told to.
func hang(ctx context.Context) error {
	<-ctx.Done()
	return ctx.Err()
}

// inBubble runs a test whose time passes only where everybody waits, and which
// fails where a goroutine stays behind.
func inBubble(t *testing.T, test func(t *testing.T)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) { test(t) })
}

func TestAServiceIsReadyOnceItHasStartedAndItsStoreAnswers(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		s, db := newService(t), &store{}
		s.requireNotReady(t, starting)
		s.requireStatus(t, "degraded")
		s.WatchStore(t.Context(), db.ping)
		s.requireNotReady(t, starting)
		s.requireStatus(t, "healthy")
		s.Ready()
		s.requireReady(t)
	})
}

func TestWithoutAStoreThereIsNoReadiness(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		s := newService(t)
		s.Ready()
		s.requireNotReady(t, noStore)
	})
}

func TestAStoreThatFailsEndsReadinessButNotLifeAndItRecovers(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		s, db := newService(t), &store{}
		s.WatchStore(t.Context(), db.ping)
		s.Ready()
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
}

func TestTheStoreIsAskedOnceASecondHoweverOftenTheServiceIs(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		s, db := newService(t), &store{}
		s.WatchStore(t.Context(), db.ping)
		s.Ready()
		for range 100 {
			s.requireReady(t)
		}
		require.EqualValues(t, 1, db.asked.Load())
		time.Sleep(10*time.Second + time.Millisecond)
		require.EqualValues(t, 11, db.asked.Load())
	})
}

func TestAStoreThatHangsIsOneThatFails(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		s := newService(t)
		var stuck atomic.Bool
		s.WatchStore(t.Context(), func(ctx context.Context) error {
			if stuck.Load() {
				return hang(ctx)
			}
			return nil
		})
		s.Ready()
		s.requireReady(t)
		stuck.Store(true)
		time.Sleep(2 * time.Second)
		s.requireNotReady(t, noStore)
	})
}

func TestDrainingEndsReadinessForGood(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		s, db := newService(t), &store{}
		s.WatchStore(t.Context(), db.ping)
		s.Ready()
		s.requireReady(t)
		s.Drain()
		s.requireNotReady(t, leaving)
		s.Ready()
		s.requireNotReady(t, leaving)
	})
}

func TestADependencyIsToldAndCountedButBearsNotOnReadiness(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		s, db := newService(t), &store{}
		var state atomic.Value
		state.Store(health.Healthy)
		s.WatchStore(t.Context(), db.ping)
		s.WatchDependency(t.Context(), "peer", func(context.Context) string { return state.Load().(string) })
		s.Ready()
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
			time.Sleep(time.Second) // an answer is at most that old
			for _, target := range []string{"/health", "/health?ready=1"} {
				status, members := s.ask(t, "GET", target)
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
}

func TestTheFirstAnswerAlreadyKnowsTheDependencyAndTheStore(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		s := newService(t)
		takes := func(what time.Duration) { time.Sleep(what) }
		s.WatchStore(t.Context(), func(context.Context) error { takes(70 * time.Millisecond); return nil })
		s.WatchDependency(t.Context(), "peer", func(context.Context) string { takes(50 * time.Millisecond); return health.Unhealthy })
		s.Ready()
		_, members := s.ask(t, "GET", "/health")
		require.Equal(t, map[string]any{"peer": health.Unhealthy}, members["dependencies"])
		s.requireReady(t)
	})
}

func TestAnAnswerIsQuickThoughEveryCheckHangs(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		s := newService(t)
		s.WatchStore(t.Context(), hang)
		for _, peer := range []string{"one", "two"} {
			s.WatchDependency(t.Context(), peer, func(ctx context.Context) string { _ = hang(ctx); return health.Unreachable })
		}
		s.Ready()
		for range 50 { // five seconds of them
			s.requireNotReady(t, noStore)
			_, members := s.ask(t, "GET", "/health")
			require.Equal(t, map[string]any{"one": health.Unreachable, "two": health.Unreachable}, members["dependencies"])
			time.Sleep(100 * time.Millisecond)
		}
	})
}

func TestAnAnswerIsQuickThoughAFirstCheckNeverEnds(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		s := newService(t)
		release := make(chan struct{})
		defer close(release)
		s.WatchStore(t.Context(), func(context.Context) error { <-release; return nil })
		s.Ready()
		for range 20 {
			s.requireNotReady(t, noStore)
			time.Sleep(100 * time.Millisecond)
		}
	})
}

func TestChecksEndWithTheirContext(t *testing.T) {
	already := goleak.IgnoreCurrent()
	s := newService(t)
	ctx, cancel := context.WithCancel(t.Context())
	s.WatchStore(ctx, hang)
	s.WatchDependency(ctx, "peer", func(ctx context.Context) string { _ = hang(ctx); return health.Unreachable })
	cancel()
	goleak.VerifyNone(t, already)
}

func TestACheckThatWeCutShortSaysNothing(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		s, db := newService(t), &store{}
		ctx, cancel := context.WithCancel(t.Context())
		s.WatchStore(ctx, db.ping)
		var asked atomic.Int64
		s.WatchDependency(ctx, "peer", func(ctx context.Context) string {
			if asked.Add(1) > 1 {
				_ = hang(ctx)
				return health.Unreachable
			}
			return health.Healthy
		})
		s.requireStatus(t, "healthy")
		time.Sleep(510 * time.Millisecond) // amid the second check
		require.EqualValues(t, 2, asked.Load())
		cancel()
		synctest.Wait()
		s.requireStatus(t, "healthy")
	})
}

func TestAwaitReturnsWhenTheDependencyAnswersOrTheContextEnds(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		s := newService(t)
		began := time.Now()
		s.WatchDependency(t.Context(), "peer", func(context.Context) string {
			if time.Since(began) < 2*time.Second {
				return health.Unreachable
			}
			return health.Unhealthy
		})
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		s.Await(ctx, "peer")
		require.Equal(t, time.Second, time.Since(began), "the context ended")
		ctx, cancel = context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		s.Await(ctx, "peer")
		require.InDelta(t, 2, time.Since(began).Seconds(), 0.1)
	})
}

func TestAProbeThatCannotBeMeantIs400(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		s := newService(t)
		for _, query := range []string{"ready=x", "ready=", "ready", "ready=0", "ready=true", "ready=1&ready=1", "ready=%zz"} {
			status, members := s.ask(t, "GET", "/health?"+query)
			require.Equal(t, http.StatusBadRequest, status, query)
			require.NotEmpty(t, members["errors"])
		}
		status, _ := s.ask(t, "GET", "/health?verbose=1")
		require.Equal(t, http.StatusOK, status, "names nobody knows are ignored")
	})
}

func TestHeadWorksForBothProbes(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		s, db := newService(t), &store{}
		s.WatchStore(t.Context(), db.ping)
		status, _ := s.ask(t, "HEAD", "/health?ready=1")
		require.Equal(t, http.StatusServiceUnavailable, status)
		s.Ready()
		for _, target := range []string{"/health", "/health?ready=1"} {
			status, _ = s.ask(t, "HEAD", target)
			require.Equal(t, http.StatusOK, status)
		}
	})
}

func TestTheReportSaysWhoAnswersAndWhen(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		s := newService(t)
		_, members := s.ask(t, "GET", "/health")
		require.Equal(t, "users-service", members["service"])
		require.Equal(t, build.For("").Version, members["version"])
		require.NotContains(t, members, "dependencies")
		at, err := time.Parse(time.RFC3339Nano, members["timestamp"].(string))
		require.NoError(t, err)
		require.True(t, at.Equal(time.Now()))
		require.True(t, strings.HasSuffix(members["timestamp"].(string), "Z"), "UTC")
	})
}

func TestTheGaugeFollowsPrometheusNaming(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		s, db := newService(t), &store{}
		s.WatchStore(t.Context(), db.ping)
		problems, err := testutil.GatherAndLint(s.signals.Registry)
		require.NoError(t, err)
		require.Empty(t, problems)
	})
}
