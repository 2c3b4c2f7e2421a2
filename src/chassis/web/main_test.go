package web_test

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	dto "github.com/prometheus/client_model/go"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"tandem/src/chassis/telemetry"
	"tandem/src/chassis/web"
	"tandem/src/testkit/telemetrytest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// timeout is the longest time that a test waits for an event.
const timeout = 20 * time.Second

// service is a router with a few routes, and its telemetry.
type service struct {
	*web.Router
	signals *telemetry.Telemetry
	log     *telemetrytest.Log
}

// newService returns a service that is open. slots is the maximum number of its
// requests in flight, by default 100.
func newService(t testing.TB, slots ...int) *service {
	t.Helper()
	signals, log := telemetrytest.New(t)
	s := newServiceWith(signals, append(slots, 100)[0])
	s.log = log
	s.Open()
	return s
}

func newServiceWith(signals *telemetry.Telemetry, slots int) *service {
	s := &service{Router: web.NewRouter(signals, slots), signals: signals}
	s.Handle("GET", "/things", ok)
	s.Handle("POST", "/things", func(w http.ResponseWriter, r *http.Request) error {
		body, err := web.ReadBody(w, r)
		if err != nil {
			return err
		}
		name := body.String("name")
		if err := body.Err(nil); err != nil {
			return err
		}
		return web.JSON(w, http.StatusCreated, map[string]string{"name": name})
	})
	s.Handle("GET", "/things/{id}", ok)
	s.HandleProbe("GET", "/health", ok)
	return s
}

func ok(w http.ResponseWriter, _ *http.Request) error {
	return web.JSON(w, http.StatusOK, map[string]bool{"ok": true})
}

// failWith returns a handler that returns the error.
func failWith(err error) web.Handler {
	return func(http.ResponseWriter, *http.Request) error { return err }
}

// request serves a request without a body. target is the text in its request line.
func (s *service) request(method, target string) *httptest.ResponseRecorder {
	return s.serve(httptest.NewRequest(method, target, nil))
}

// newGet returns a GET request. Headers are names and values in
// turn.
func newGet(target string, headers ...string) *http.Request {
	r := httptest.NewRequest(http.MethodGet, target, nil)
	for i := 0; i < len(headers); i += 2 {
		r.Header.Set(headers[i], headers[i+1])
	}
	return r
}

// newPost returns a POST request. An empty media type means no Content-Type.
func newPost(target, mediaType string, body io.Reader) *http.Request {
	r := httptest.NewRequest(http.MethodPost, target, body)
	if mediaType != "" {
		r.Header.Set("Content-Type", mediaType)
	}
	return r
}

func (s *service) serve(r *http.Request) *httptest.ResponseRecorder {
	w := httptest.NewRecorder()
	s.ServeHTTP(w, r)
	return w
}

// start serves s over the network. Closing the server waits for the requests in
// flight.
func (s *service) start(t *testing.T) *httptest.Server {
	t.Helper()
	server := httptest.NewServer(s)
	t.Cleanup(server.Close)
	return server
}

// logLine returns the only line that the router has logged for a request.
func (s *service) logLine(t *testing.T) map[string]any {
	t.Helper()
	lines := s.log.Lines(t, "request")
	require.Len(t, lines, 1, "each request is logged once")
	return lines[0]
}

// counts returns the number of requests in the histogram by
// "method route status", without series that are zero.
func (s *service) counts(t testing.TB) map[string]uint64 {
	t.Helper()
	seen := s.series(t)
	maps.DeleteFunc(seen, func(_ string, count uint64) bool { return count == 0 })
	return seen
}

// series is like counts, but with the series that are zero.
func (s *service) series(t testing.TB) map[string]uint64 {
	t.Helper()
	counts := map[string]uint64{}
	for _, metric := range s.family(t, "http_server_request_duration_seconds").GetMetric() {
		label := map[string]string{}
		for _, pair := range metric.GetLabel() {
			label[pair.GetName()] = pair.GetValue()
		}
		require.Len(t, label, 3)
		key := fmt.Sprint(label["http_request_method"], " ", label["http_route"], " ", label["http_response_status_code"])
		counts[key] = metric.GetHistogram().GetSampleCount()
	}
	return counts
}

// inFlight returns the gauge of the requests in flight.
func (s *service) inFlight(t testing.TB) float64 {
	t.Helper()
	return s.family(t, "http_server_active_requests").GetMetric()[0].GetGauge().GetValue()
}

// family returns a metric family, and nil if it has no series.
func (s *service) family(t testing.TB, name string) *dto.MetricFamily {
	t.Helper()
	families, err := s.signals.Registry.Gather()
	require.NoError(t, err)
	for _, family := range families {
		if family.GetName() == name {
			return family
		}
	}
	return nil
}

// requireProblemBody requires a problem response with this status and returns its
// members.
func requireProblemBody(t testing.TB, header http.Header, status int, body io.Reader) map[string]any {
	t.Helper()
	text, err := io.ReadAll(body)
	require.NoError(t, err)
	require.Equal(t, "application/problem+json", header.Get("Content-Type"), "%s", text)
	require.Equal(t, "nosniff", header.Get("X-Content-Type-Options"))
	require.Equal(t, fmt.Sprint(len(text)), header.Get("Content-Length"))
	require.Equal(t, "no-store", header.Get("Cache-Control"))
	require.True(t, strings.HasSuffix(string(text), "}\n"), "%q", text)
	var members map[string]any
	require.NoError(t, json.Unmarshal(text, &members), "%s", text)
	require.Equal(t, "about:blank", members["type"])
	require.NotEmpty(t, members["title"])
	require.EqualValues(t, status, members["status"])
	require.NotEmpty(t, members["detail"])
	require.Equal(t, members["detail"], members["error"])
	require.NotEmpty(t, members["instance"])
	require.Regexp(t, "^[0-9a-f]{32}$", members["trace_id"])
	require.NotEqual(t, strings.Repeat("0", 32), members["trace_id"])
	return members
}

func requireProblem(t testing.TB, w *httptest.ResponseRecorder, status int) map[string]any {
	t.Helper()
	require.Equal(t, status, w.Code, "%s", w.Body)
	return requireProblemBody(t, w.Header(), status, w.Body)
}

// get sends a GET request over the network.
func get(ctx context.Context, t *testing.T, url string) (*http.Response, error) {
	t.Helper()
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	require.NoError(t, err)
	transport := &http.Transport{}
	t.Cleanup(transport.CloseIdleConnections)
	return (&http.Client{Transport: transport}).Do(r)
}
