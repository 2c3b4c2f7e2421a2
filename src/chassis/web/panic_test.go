package web_test

import (
	"context"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/otel/codes"

	"tandem/src/chassis/failure"
	"tandem/src/chassis/web"
	"tandem/src/testkit/telemetrytest"
)

func TestPanic(t *testing.T) {
	t.Run("becomes a 500, logged once with its stack", func(t *testing.T) {
		for kind, handle := range registrations {
			t.Run(kind, func(t *testing.T) {
				s := newService(t)
				handle(s, "/panic", panicAtOnce)
				server := s.start(t)
				response, err := get(t.Context(), t, server.URL+"/panic")
				require.NoError(t, err)
				defer response.Body.Close()
				require.Equal(t, http.StatusInternalServerError, response.StatusCode)
				members := requireProblemBody(t, response.Header, http.StatusInternalServerError, response.Body)
				require.NotContains(t, members["error"], "secret")
				server.Close()

				line := s.logLine(t)
				require.Equal(t, "ERROR", line["level"])
				require.Contains(t, line["error"], "panic: boom with a secret detail")
				require.Contains(t, line["exception.stacktrace"], "web_test.panicAtOnce(")
				require.Equal(t, members["trace_id"], line["trace_id"])
				require.Equal(t, map[string]uint64{"GET /panic 500": 1}, s.counts(t))
				require.Equal(t, http.StatusOK, s.request("GET", "/things").Code)
			})
		}
	})

	t.Run("replaces what the handler has written", func(t *testing.T) {
		for kind, handle := range registrations {
			t.Run(kind, func(t *testing.T) {
				s := newService(t)
				handle(s, "/panic", panicAfterWrite)
				requireProblem(t, s.request("GET", "/panic"), http.StatusInternalServerError)
				line := s.logLine(t)
				require.Equal(t, "ERROR", line["level"])
				require.Contains(t, line["error"], "panic: boom")
				require.Contains(t, line["exception.stacktrace"], "web_test.panicAfterWrite(")
				require.Equal(t, map[string]uint64{"GET /panic 500": 1}, s.counts(t))
			})
		}
	})

	t.Run("is recorded in the span", func(t *testing.T) {
		for name, handler := range map[string]web.Handler{"before the response": panicAtOnce, "after it has begun": panicAfterWrite} {
			t.Run(name, func(t *testing.T) {
				signals, _ := telemetrytest.New(t)
				spans := telemetrytest.Spans(signals)
				s := newServiceWith(signals, 1)
				s.Handle("GET", "/panic", handler)
				s.request("GET", "/panic")
				ended := spans.Ended()
				require.Len(t, ended, 1)
				require.Equal(t, codes.Error, ended[0].Status().Code)
				require.Equal(t, "500", attributesOf(ended[0])["error.type"])
				require.Len(t, ended[0].Events(), 1)
				require.Equal(t, "exception", ended[0].Events()[0].Name)
			})
		}
	})

	t.Run("is logged whatever its value is", func(t *testing.T) {
		for name, tt := range map[string]struct {
			value any
			want  string
		}{
			"error": {errors.New("a reason"), "panic: a reason"},
			"bytes": {"\xff", "panic: \uFFFD"},
			"abort": {http.ErrAbortHandler, "panic: net/http: abort Handler"},
		} {
			t.Run(name, func(t *testing.T) {
				s := newService(t)
				s.Handle("GET", "/panic", func(http.ResponseWriter, *http.Request) error { panic(tt.value) })
				requireProblem(t, s.request("GET", "/panic"), http.StatusInternalServerError)
				require.Contains(t, s.logLine(t)["error"], tt.want)
			})
		}
	})
}

func TestHandlerError(t *testing.T) {
	t.Run("replaces what the handler has written", func(t *testing.T) {
		s := newService(t)
		s.Handle("GET", "/fault", func(w http.ResponseWriter, _ *http.Request) error {
			_, _ = io.WriteString(w, "part")
			return failure.New(failure.NotFound, "No such part.")
		})
		members := requireProblem(t, s.request("GET", "/fault"), http.StatusNotFound)
		require.Equal(t, "No such part.", members["error"])
		require.Equal(t, map[string]uint64{"GET /fault 404": 1}, s.counts(t))
	})
}

func TestCanceledRequest(t *testing.T) {
	t.Run("is counted and logged as 499", func(t *testing.T) {
		s := newService(t)
		entered := make(chan struct{})
		s.Handle("GET", "/slow", func(_ http.ResponseWriter, r *http.Request) error {
			close(entered)
			<-r.Context().Done()
			return failure.New(failure.Unavailable, "The peer cannot be reached.").WithCause(r.Context().Err())
		})
		server := s.start(t)
		ctx, cancel := context.WithCancel(t.Context())
		clientErr := make(chan error)
		go func() {
			response, err := get(ctx, t, server.URL+"/slow")
			if err == nil {
				response.Body.Close()
			}
			clientErr <- err
		}()
		<-entered
		cancel()
		require.ErrorIs(t, <-clientErr, context.Canceled)
		require.Eventually(t, func() bool { return len(s.log.Lines(t, "request")) == 1 }, timeout, 5*time.Millisecond)
		line := s.logLine(t)
		require.EqualValues(t, web.StatusClientClosedRequest, line["http.response.status_code"])
		require.Equal(t, "INFO", line["level"], "it is not an error of the service")
		require.Contains(t, line["error"], "The peer cannot be reached.", "the log has the cause")
		require.Equal(t, map[string]uint64{"GET /slow 499": 1}, s.counts(t))
	})

	t.Run("keeps the status that the handler has written", func(t *testing.T) {
		s := newService(t)
		ctx, cancel := context.WithCancel(t.Context())
		s.Handle("GET", "/last", func(w http.ResponseWriter, r *http.Request) error {
			cancel()
			return ok(w, r)
		})
		s.serve(httptest.NewRequest("GET", "/last", nil).WithContext(ctx))
		require.Equal(t, map[string]uint64{"GET /last 200": 1}, s.counts(t))
	})
}

// registrations are the two ways to register a handler.
var registrations = map[string]func(s *service, path string, handler web.Handler){
	"route": func(s *service, path string, handler web.Handler) { s.Handle("GET", path, handler) },
	"probe": func(s *service, path string, handler web.Handler) { s.HandleProbe("GET", path, handler) },
}

func panicAtOnce(http.ResponseWriter, *http.Request) error { panic("boom with a secret detail") }

func panicAfterWrite(w http.ResponseWriter, _ *http.Request) error {
	w.Header().Set("Content-Length", "100")
	_, _ = io.WriteString(w, "the beginning")
	panic("boom")
}
