package web_test

import (
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"tandem/src/chassis/web"
)

func TestLoadShedding(t *testing.T) {
	t.Run("refuses requests beyond the limit but serves probes", func(t *testing.T) {
		const places = 3
		s := newService(t, places)
		entered, release := make(chan struct{}), make(chan struct{})
		s.Handle("GET", "/slow", func(w http.ResponseWriter, r *http.Request) error {
			entered <- struct{}{}
			<-release
			return ok(w, r)
		})
		var slow sync.WaitGroup
		statuses := make(chan int, places)
		for range places {
			slow.Go(func() { statuses <- s.ask("GET", "/slow").Code })
		}
		for range places {
			<-entered
		}
		require.EqualValues(t, places, s.inFlight(t))

		for _, target := range []string{"/things", "/nothing"} {
			w := s.ask("GET", target)
			members := problemOf(t, w, http.StatusServiceUnavailable)
			require.Equal(t, "1", w.Header().Get("Retry-After"))
			require.Contains(t, members["error"], "busy")
		}
		began := time.Now()
		require.Equal(t, http.StatusOK, s.ask("GET", "/health").Code)
		require.Less(t, time.Since(began), 100*time.Millisecond)
		require.Equal(t, map[string]uint64{"GET /things 503": 1, "GET unmatched 503": 1, "GET /health 200": 1}, s.counted(t))
		for _, line := range s.log.Lines(t, "request")[:2] {
			require.Equal(t, "DEBUG", line["level"])
		}

		close(release)
		slow.Wait()
		for range places {
			require.Equal(t, http.StatusOK, <-statuses)
		}
		require.Equal(t, http.StatusOK, s.ask("GET", "/things").Code)
		require.Zero(t, s.inFlight(t))
	})

	t.Run("releases the slot after a panic, an abort and an error", func(t *testing.T) {
		s := newService(t, 1)
		s.Handle("GET", "/panic", func(http.ResponseWriter, *http.Request) error { panic("boom") })
		s.Handle("GET", "/late-panic", func(w http.ResponseWriter, r *http.Request) error {
			_ = ok(w, r)
			panic("boom")
		})
		s.Handle("GET", "/fault", failing(errors.New("boom")))
		for range 3 {
			require.Equal(t, http.StatusInternalServerError, s.ask("GET", "/panic").Code)
			require.PanicsWithValue(t, http.ErrAbortHandler, func() { s.ask("GET", "/late-panic") })
			require.Equal(t, http.StatusInternalServerError, s.ask("GET", "/fault").Code)
			require.Equal(t, http.StatusOK, s.ask("GET", "/things").Code)
		}
		require.Zero(t, s.inFlight(t))
	})

	t.Run("lets a request wait for a slot", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			s, release := occupied(t)
			time.AfterFunc(150*time.Millisecond, release)
			began := time.Now()
			require.Equal(t, http.StatusOK, s.ask("GET", "/things").Code)
			require.Equal(t, 150*time.Millisecond, time.Since(began))
			require.Zero(t, s.inFlight(t))
		})
	})

	t.Run("refuses a request that waits too long", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			s, release := occupied(t)
			defer release()
			began := time.Now()
			problemOf(t, s.ask("GET", "/things"), http.StatusServiceUnavailable)
			require.LessOrEqual(t, time.Since(began), 250*time.Millisecond)
			require.EqualValues(t, 1, s.inFlight(t), "what waits is not in flight")
		})
	})

	t.Run("refuses a request at once if the queue is full", func(t *testing.T) {
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
	})

	t.Run("counts a caller that leaves the queue as 499", func(t *testing.T) {
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
	})

	t.Run("logs the number of refusals once a second", func(t *testing.T) {
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
	})
}

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
