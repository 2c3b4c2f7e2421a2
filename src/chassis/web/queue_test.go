package web_test

import (
	"context"
	"net/http"
	"net/http/httptest"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"tandem/src/chassis/web"
)

// occupied is a service of one place that a request holds until it is
// released. It must be called in a bubble.
func occupied(t *testing.T) (s *service, release func()) {
	t.Helper()
	s = newService(t, 1)
	held := make(chan struct{})
	s.Handle("GET", "/slow", func(w http.ResponseWriter, r *http.Request) error {
		<-held
		return ok(w, r)
	})
	go s.ask("GET", "/slow")
	synctest.Wait()
	return s, func() { close(held) }
}

func TestARequestWaitsALittleForAPlace(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, release := occupied(t)
		time.AfterFunc(150*time.Millisecond, release)
		began := time.Now()
		require.Equal(t, http.StatusOK, s.ask("GET", "/things").Code)
		require.Equal(t, 150*time.Millisecond, time.Since(began))
		require.Zero(t, s.inFlight(t))
	})
}

func TestARequestThatWaitsInVainIsRefusedSoon(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, release := occupied(t)
		defer release()
		began := time.Now()
		problemOf(t, s.ask("GET", "/things"), http.StatusServiceUnavailable)
		require.LessOrEqual(t, time.Since(began), 250*time.Millisecond)
		require.EqualValues(t, 1, s.inFlight(t), "what waits is not in flight")
	})
}

func TestBeyondTheQueueARequestIsRefusedAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, release := occupied(t)
		answers := make(chan int, 100)
		for range 100 {
			go func() { answers <- s.ask("GET", "/things").Code }()
		}
		synctest.Wait() // no time passes
		refused := len(answers)
		require.Positive(t, refused)
		require.Less(t, refused, 100)
		for range refused {
			require.Equal(t, http.StatusServiceUnavailable, <-answers)
		}
		began := time.Now()
		require.Equal(t, http.StatusOK, s.ask("GET", "/health").Code)
		require.Zero(t, time.Since(began), "health does not queue")
		release()
		for range 100 - refused {
			require.Equal(t, http.StatusOK, <-answers)
		}
	})
}

func TestACallerWhoLeavesTheQueueIs499(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, release := occupied(t)
		defer release()
		ctx, leave := context.WithCancel(t.Context())
		time.AfterFunc(50*time.Millisecond, leave)
		began := time.Now()
		w := s.serve(httptest.NewRequest("GET", "/things", nil).WithContext(ctx))
		require.Equal(t, web.StatusClientClosedRequest, w.Code)
		require.Equal(t, 50*time.Millisecond, time.Since(began))
		require.Equal(t, map[string]uint64{"GET /things 499": 1}, s.counted(t))
		require.Equal(t, "INFO", s.line(t)["level"])
	})
}

func TestOneLineASecondTellsOfRefusedRequests(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, release := occupied(t)
		defer release()
		for range 2 {
			const calls = 3
			for range calls {
				require.Equal(t, http.StatusServiceUnavailable, s.ask("GET", "/things").Code)
			}
			time.Sleep(time.Second)
		}
		lines := s.log.Lines(t, "requests were refused because the service is busy")
		require.Len(t, lines, 2)
		for _, line := range lines {
			require.Equal(t, "WARN", line["level"])
			require.EqualValues(t, 3, line["count"])
		}
	})
}
