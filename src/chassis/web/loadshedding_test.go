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
		const slots = 3
		s := newService(t, slots)
		entered, release := make(chan struct{}), make(chan struct{})
		s.Handle("GET", "/slow", func(w http.ResponseWriter, r *http.Request) error {
			entered <- struct{}{}
			<-release
			return ok(w, r)
		})
		var slow sync.WaitGroup
		statuses := make(chan int, slots)
		for range slots {
			slow.Go(func() { statuses <- s.request("GET", "/slow").Code })
		}
		for range slots {
			<-entered
		}
		require.EqualValues(t, slots, s.inFlight(t))

		for _, target := range []string{"/things", "/nothing"} {
			w := s.request("GET", target)
			members := requireProblem(t, w, http.StatusServiceUnavailable)
			require.Equal(t, "1", w.Header().Get("Retry-After"))
			require.Contains(t, members["error"], "busy")
		}
		require.Equal(t, http.StatusOK, s.request("GET", "/health").Code)
		require.Equal(t, map[string]uint64{"GET /things 503": 1, "GET unmatched 503": 1, "GET /health 200": 1}, s.counts(t))
		for _, line := range s.log.Lines(t, "request")[:2] {
			require.Equal(t, "DEBUG", line["level"])
		}

		close(release)
		slow.Wait()
		for range slots {
			require.Equal(t, http.StatusOK, <-statuses)
		}
		require.Equal(t, http.StatusOK, s.request("GET", "/things").Code)
		require.Zero(t, s.inFlight(t))
	})

	t.Run("releases the slot after a panic and an error", func(t *testing.T) {
		s := newService(t, 1)
		s.Handle("GET", "/panic", func(http.ResponseWriter, *http.Request) error { panic("boom") })
		s.Handle("GET", "/late-panic", func(w http.ResponseWriter, r *http.Request) error {
			_ = ok(w, r)
			panic("boom")
		})
		s.Handle("GET", "/fault", failWith(errors.New("boom")))
		for range 3 {
			require.Equal(t, http.StatusInternalServerError, s.request("GET", "/panic").Code)
			require.Equal(t, http.StatusInternalServerError, s.request("GET", "/late-panic").Code)
			require.Equal(t, http.StatusInternalServerError, s.request("GET", "/fault").Code)
			require.Equal(t, http.StatusOK, s.request("GET", "/things").Code)
		}
		require.Zero(t, s.inFlight(t))
	})

	t.Run("lets a request wait for a slot", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			s, release := newOccupiedService(t)
			time.AfterFunc(150*time.Millisecond, release)
			began := time.Now()
			require.Equal(t, http.StatusOK, s.request("GET", "/things").Code)
			require.Equal(t, 150*time.Millisecond, time.Since(began))
			require.Zero(t, s.inFlight(t))
		})
	})

	t.Run("lets a burst wait that is served in time", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			s := newService(t, 1)
			s.Handle("GET", "/short", func(w http.ResponseWriter, r *http.Request) error {
				time.Sleep(10 * time.Millisecond)
				return ok(w, r)
			})
			const burst = 17 // takes 170 ms
			statuses := make(chan int, burst)
			for range burst {
				go func() { statuses <- s.request("GET", "/short").Code }()
			}
			for range burst {
				require.Equal(t, http.StatusOK, <-statuses)
			}
		})
	})

	t.Run("refuses a request that waits too long", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			s, release := newOccupiedService(t)
			defer release()
			began := time.Now()
			requireProblem(t, s.request("GET", "/things"), http.StatusServiceUnavailable)
			require.LessOrEqual(t, time.Since(began), 250*time.Millisecond)
			require.EqualValues(t, 1, s.inFlight(t), "a waiting request is not in flight")
		})
	})

	t.Run("refuses a request at once if the queue is full", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			s, release := newOccupiedService(t)
			statuses := make(chan int, 100)
			for range 100 {
				go func() { statuses <- s.request("GET", "/things").Code }()
			}
			synctest.Wait() // until all wait or are refused; no time passes
			refused := len(statuses)
			require.Positive(t, refused)
			require.Less(t, refused, 100)
			for range refused {
				require.Equal(t, http.StatusServiceUnavailable, <-statuses)
			}
			began := time.Now()
			require.Equal(t, http.StatusOK, s.request("GET", "/health").Code)
			require.Zero(t, time.Since(began), "probes do not wait for a slot")
			release()
			for range 100 - refused {
				require.Equal(t, http.StatusOK, <-statuses)
			}
		})
	})

	t.Run("counts a caller that leaves the queue as 499", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			s, release := newOccupiedService(t)
			defer release()
			ctx, cancel := context.WithCancel(t.Context())
			time.AfterFunc(50*time.Millisecond, cancel)
			began := time.Now()
			w := s.serve(httptest.NewRequest("GET", "/things", nil).WithContext(ctx))
			require.Equal(t, web.StatusClientClosedRequest, w.Code)
			require.Equal(t, 50*time.Millisecond, time.Since(began))
			require.Equal(t, map[string]uint64{"GET /things 499": 1}, s.counts(t))
			require.Equal(t, "INFO", s.logLine(t)["level"])
		})
	})

	t.Run("logs the number of refusals once a second", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			s, release := newOccupiedService(t)
			defer release()
			for range 2 {
				const calls = 3
				for range calls {
					require.Equal(t, http.StatusServiceUnavailable, s.request("GET", "/things").Code)
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

// newOccupiedService returns a service with one slot, which a request holds until
// release is called. It must be called in a synctest bubble.
func newOccupiedService(t *testing.T) (s *service, release func()) {
	t.Helper()
	s = newService(t, 1)
	held := make(chan struct{})
	s.Handle("GET", "/slow", func(w http.ResponseWriter, r *http.Request) error {
		<-held
		return ok(w, r)
	})
	go s.request("GET", "/slow")
	synctest.Wait()
	return s, func() { close(held) }
}
