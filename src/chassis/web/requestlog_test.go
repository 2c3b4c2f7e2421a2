package web_test

import (
	"errors"
	"net/http"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestRequestLog(t *testing.T) {
	t.Run("logs probes at debug level and counts them", func(t *testing.T) {
		s := newService(t)
		require.Equal(t, http.StatusOK, s.request("GET", "/health?x=1").Code)
		require.Equal(t, map[string]uint64{"GET /health 200": 1}, s.counts(t))
		require.Equal(t, "DEBUG", s.logLine(t)["level"])
	})

	t.Run("describes the request and its response", func(t *testing.T) {
		s := newService(t)
		w := s.request("GET", "/things/7?token=secret")
		line := s.logLine(t)
		require.Equal(t, "INFO", line["level"])
		require.Equal(t, "GET", line["http.request.method"])
		require.Equal(t, "/things/{id}", line["http.route"])
		require.Equal(t, "/things/7", line["url.path"])
		require.EqualValues(t, 200, line["http.response.status_code"])
		require.EqualValues(t, w.Body.Len(), line["http.response.body.size"])
		require.Contains(t, line, "duration_seconds")
		require.NotContains(t, line, "error")
		require.NotContains(t, line, "exception.stacktrace")
		require.NotContains(t, s.log.String(), "secret", "a query may contain personal data")
	})

	t.Run("has the error that the response hides", func(t *testing.T) {
		s := newService(t)
		s.Handle("GET", "/fault", failWith(errors.New("password=secret")))
		w := s.request("GET", "/fault")
		text := w.Body.String()
		members := requireProblem(t, w, http.StatusInternalServerError)
		require.NotContains(t, text, "secret")
		line := s.logLine(t)
		require.Contains(t, line["error"], "password=secret")
		require.Equal(t, "ERROR", line["level"])
		require.Equal(t, line["trace_id"], members["trace_id"], "the trace ID in a bug report leads to the log line")
		require.NotContains(t, line, "exception.stacktrace")
	})
}
