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
		require.Equal(t, http.StatusOK, s.ask("GET", "/health?x=1").Code)
		require.Equal(t, map[string]uint64{"GET /health 200": 1}, s.counted(t))
		require.Equal(t, "DEBUG", s.line(t)["level"])
	})

	t.Run("describes the request and its response", func(t *testing.T) {
		s := newService(t)
		w := s.ask("GET", "/things/7?token=hush")
		line := s.line(t)
		require.Equal(t, "INFO", line["level"])
		require.Equal(t, "GET", line["http.request.method"])
		require.Equal(t, "/things/{id}", line["http.route"])
		require.Equal(t, "/things/7", line["url.path"])
		require.EqualValues(t, 200, line["http.response.status_code"])
		require.EqualValues(t, w.Body.Len(), line["http.response.body.size"])
		require.Contains(t, line, "duration_seconds")
		require.NotContains(t, line, "error")
		require.NotContains(t, line, "exception.stacktrace")
		require.NotContains(t, s.log.String(), "hush", "a query may hold what is nobody's business")
	})

	t.Run("has the error that the response hides", func(t *testing.T) {
		s := newService(t)
		s.Handle("GET", "/fault", failing(errors.New("password=hush")))
		w := s.ask("GET", "/fault")
		text := w.Body.String()
		members := problemOf(t, w, http.StatusInternalServerError)
		require.NotContains(t, text, "hush")
		line := s.line(t)
		require.Contains(t, line["error"], "password=hush")
		require.Equal(t, "ERROR", line["level"])
		require.Equal(t, line["trace_id"], members["trace_id"], "so that the caller's report leads to the line")
		require.NotContains(t, line, "exception.stacktrace")
	})
}
