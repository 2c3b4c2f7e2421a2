package lifecycle_test

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"net"
	"net/http"
	"strconv"
	"strings"
	"testing"
	"testing/fstest"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"tandem/src/chassis/lifecycle"
	"tandem/src/chassis/settings"
	"tandem/src/chassis/web"
	"tandem/src/testkit/telemetrytest"
)

// patience is how long a test waits for what must come about.
const patience = 20 * time.Second

// running is a host that a test runs.
type running struct {
	*lifecycle.App
	log    *telemetrytest.Log
	leave  context.CancelFunc // what SIGTERM does
	ended  chan error
	base   string
	client *http.Client
}

// config are settings that hurry.
func config(adjust ...func(*settings.Service)) settings.Service {
	c := settings.Service{Common: settings.Common{ShutdownTimeout: patience, MaxInFlight: 10, LogLevel: "debug"}}
	for _, f := range adjust {
		f(&c)
	}
	return c
}

func noEnvironment(string) string { return "" }

// run starts a host, and waits until it listens.
func run(t *testing.T, c settings.Service, start func(ctx context.Context, h *running) error) *running {
	t.Helper()
	log := new(telemetrytest.Log)
	host, err := lifecycle.New(t.Context(), "test-service", c, noEnvironment, log)
	require.NoError(t, err)
	ctx, leave := context.WithCancel(t.Context())
	transport := &http.Transport{}
	r := &running{
		App: host, log: log, leave: leave, ended: make(chan error, 1),
		client: &http.Client{Transport: transport, Timeout: patience},
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		r.ended <- host.Run(ctx, func(ctx context.Context) error { return start(ctx, r) })
	}()
	t.Cleanup(func() {
		leave()
		transport.CloseIdleConnections()
		<-done
	})
	require.Eventually(t, func() bool { return len(log.Lines(t, "listening")) == 1 }, patience, time.Millisecond)
	_, port, err := net.SplitHostPort(log.Lines(t, "listening")[0]["address"].(string))
	require.NoError(t, err)
	r.base = "http://" + net.JoinHostPort("127.0.0.1", port)
	return r
}

// answer is what a host answers a GET, read to its end.
type answer struct {
	status  int
	closes  bool
	members map[string]any
}

func (r *running) get(t *testing.T, path string) answer {
	t.Helper()
	response, err := r.client.Get(r.base + path)
	require.NoError(t, err)
	defer response.Body.Close()
	text, err := io.ReadAll(response.Body)
	require.NoError(t, err)
	a := answer{status: response.StatusCode, closes: response.Close}
	_ = json.Unmarshal(text, &a.members)
	return a
}

func (r *running) awaitReady(t *testing.T) {
	t.Helper()
	require.Eventually(t, func() bool {
		return len(r.log.Lines(t, "ready")) == 1 || len(r.ended) == 1
	}, patience, time.Millisecond)
	if len(r.ended) == 1 {
		t.Fatal("the host ended before it was ready: ", <-r.ended)
	}
}

func (r *running) wait(t *testing.T) error {
	t.Helper()
	select {
	case err := <-r.ended:
		return err
	case <-time.After(patience):
		t.Fatal("the host does not end")
		return nil
	}
}

// healthy is a start that registers one route and a store that is well.
func healthy(ctx context.Context, h *running) error {
	h.Router.Handle("GET", "/things", ok)
	h.Health.WatchStore(ctx, func(context.Context) error { return nil })
	return nil
}

func ok(w http.ResponseWriter, _ *http.Request) error {
	return web.JSON(w, http.StatusOK, map[string]bool{"ok": true})
}

// requireFree checks that nothing listens there any more.
func (r *running) requireFree(t *testing.T) {
	t.Helper()
	require.Eventually(t, func() bool {
		listener, err := net.Listen("tcp", strings.TrimPrefix(r.base, "http://127.0.0.1"))
		return err == nil && listener.Close() == nil
	}, patience, time.Millisecond)
}

func TestAHostListensBeforeItHasStartedAndIsReadyLast(t *testing.T) {
	release := make(chan struct{})
	r := run(t, config(), func(ctx context.Context, h *running) error {
		<-release
		return healthy(ctx, h)
	})
	require.Equal(t, http.StatusOK, r.get(t, "/health").status)
	require.Equal(t, http.StatusOK, r.get(t, "/version").status)
	require.Equal(t, http.StatusOK, r.get(t, "/metrics").status)
	probe := r.get(t, "/health?ready=1")
	require.Equal(t, http.StatusServiceUnavailable, probe.status)
	require.Equal(t, "The service is still starting.", probe.members["error"])
	api := r.get(t, "/things")
	require.Equal(t, http.StatusServiceUnavailable, api.status)
	require.Contains(t, api.members["error"], "still starting")
	require.Empty(t, r.log.Lines(t, "ready"))

	close(release)
	r.awaitReady(t)
	require.Equal(t, http.StatusOK, r.get(t, "/health?ready=1").status)
	require.Equal(t, http.StatusOK, r.get(t, "/things").status)
	require.Equal(t, http.StatusNotFound, r.get(t, "/nothing").status)
	r.leave()
	require.NoError(t, r.wait(t))
	r.requireFree(t)
	require.Len(t, r.log.Lines(t, "stopped"), 1)
}

func TestAStartThatFailsEndsTheHostAndReleasesThePort(t *testing.T) {
	boom := errors.New("no such database")
	closed := false
	r := run(t, config(func(c *settings.Service) { c.DrainDelay = time.Hour }), func(_ context.Context, h *running) error {
		h.OnClose(func() error { closed = true; return nil })
		return boom
	})
	err := r.wait(t)
	require.ErrorIs(t, err, boom)
	require.EqualError(t, err, boom.Error())
	require.True(t, closed, "what was opened is closed")
	r.requireFree(t)
	require.Empty(t, r.log.Lines(t, "draining"), "nobody had learned of it")
}

func TestASignalAmidTheStartEndsTheHostWithoutAnError(t *testing.T) {
	r := run(t, config(func(c *settings.Service) { c.DrainDelay = time.Hour }), func(ctx context.Context, _ *running) error {
		<-ctx.Done()
		return ctx.Err()
	})
	r.leave()
	require.NoError(t, r.wait(t))
}

func TestALeavingHostIsNotReadyAtOnceAndServesOnForTheDelay(t *testing.T) {
	const delay = time.Second
	r := run(t, config(func(c *settings.Service) { c.DrainDelay = delay }), healthy)
	r.awaitReady(t)
	require.False(t, r.get(t, "/things").closes)
	began := time.Now()
	r.leave()
	require.Eventually(t, func() bool { return len(r.log.Lines(t, "draining")) == 1 }, patience, time.Millisecond)

	probe := r.get(t, "/health?ready=1")
	require.Equal(t, http.StatusServiceUnavailable, probe.status)
	require.Equal(t, "The service is shutting down.", probe.members["error"])
	for _, path := range []string{"/things", "/health", "/metrics", "/nothing"} {
		a := r.get(t, path)
		require.Less(t, a.status, 500, path)
		require.True(t, a.closes, path)
	}
	require.Empty(t, r.ended)
	require.NoError(t, r.wait(t))
	require.GreaterOrEqual(t, time.Since(began), delay)
	_, err := r.client.Get(r.base + "/health")
	require.Error(t, err)
}

// slow registers a route that answers when it is released.
func slow(entered, release chan struct{}) func(context.Context, *running) error {
	return func(ctx context.Context, h *running) error {
		h.Router.Handle("GET", "/slow", func(w http.ResponseWriter, r *http.Request) error {
			close(entered)
			<-release
			return ok(w, r)
		})
		return healthy(ctx, h)
	}
}

func TestRequestsInFlightAreFinishedBeforeAnythingIsClosed(t *testing.T) {
	entered, release := make(chan struct{}), make(chan struct{})
	r := run(t, config(), slow(entered, release))
	r.awaitReady(t)
	closed := make(chan struct{})
	r.OnClose(func() error { close(closed); return nil })
	answered := make(chan answer)
	go func() { answered <- r.get(t, "/slow") }()
	<-entered
	r.leave()
	// The listener is closed while the request is served.
	require.Eventually(t, func() bool {
		conn, err := net.Dial("tcp", strings.TrimPrefix(r.base, "http://"))
		return err != nil || conn.Close() != nil
	}, patience, time.Millisecond)
	select {
	case <-closed:
		t.Fatal("closed under a request")
	case <-r.ended:
		t.Fatal("ended under a request")
	default:
	}
	close(release)
	require.Equal(t, http.StatusOK, (<-answered).status)
	require.NoError(t, r.wait(t))
	<-closed
}

func TestRequestsBeyondTheShutdownTimeoutAreCutAndTheErrorNamesIt(t *testing.T) {
	entered, release := make(chan struct{}), make(chan struct{})
	r := run(t, config(func(c *settings.Service) { c.ShutdownTimeout = 200 * time.Millisecond }), slow(entered, release))
	defer close(release)
	r.awaitReady(t)
	cut := make(chan error)
	go func() {
		response, err := r.client.Get(r.base + "/slow")
		if err == nil {
			response.Body.Close()
		}
		cut <- err
	}()
	<-entered
	began := time.Now()
	r.leave()
	err := r.wait(t)
	require.Less(t, time.Since(began), 4*time.Second)
	require.ErrorContains(t, err, "requests were cut after SHUTDOWN_TIMEOUT 200ms")
	require.ErrorIs(t, err, context.DeadlineExceeded)
	require.Error(t, <-cut)
}

func TestWhatWasOpenedIsClosedInReverseOrderAndEveryErrorIsTold(t *testing.T) {
	var order []int
	r := run(t, config(), func(ctx context.Context, h *running) error {
		for i := range 3 {
			h.OnClose(func() error {
				order = append(order, i)
				if i == 1 {
					return errors.New("the second does not close")
				}
				return nil
			})
		}
		return healthy(ctx, h)
	})
	r.awaitReady(t)
	r.leave()
	require.EqualError(t, r.wait(t), "the second does not close")
	require.Equal(t, []int{2, 1, 0}, order)
}

func TestAPortInUseGivesAClearError(t *testing.T) {
	listener, err := net.Listen("tcp", ":0")
	require.NoError(t, err)
	defer listener.Close()
	port := listener.Addr().(*net.TCPAddr).Port
	host, err := lifecycle.New(t.Context(), "test-service", config(func(c *settings.Service) { c.Port = port }), noEnvironment, io.Discard)
	require.NoError(t, err)
	err = host.Run(t.Context(), func(context.Context) error {
		t.Error("started without a port")
		return nil
	})
	require.ErrorContains(t, err, "listen on port "+strconv.Itoa(port))
	require.ErrorContains(t, err, "address already in use")
}

func TestABadVariableEndsTheHostBeforeItListens(t *testing.T) {
	_, err := lifecycle.New(t.Context(), "test-service", config(), func(name string) string {
		return map[string]string{"OTEL_TRACES_EXPORTER": "zipkin"}[name]
	}, io.Discard)
	require.ErrorContains(t, err, "OTEL_TRACES_EXPORTER")
}

func TestTheLogTellsTheLifeInOrder(t *testing.T) {
	r := run(t, config(), healthy)
	r.awaitReady(t)
	r.leave()
	require.NoError(t, r.wait(t))
	at := -1
	for _, message := range []string{"starting", "listening", "ready", "draining", "stopped"} {
		next := strings.Index(r.log.String(), `"msg":"`+message+`"`)
		require.Greater(t, next, at, message)
		at = next
		require.Equal(t, "test-service", r.log.Lines(t, message)[0]["service.name"])
	}
}

func TestMetricsAreServedAsOpenMetricsWhereAskedFor(t *testing.T) {
	r := run(t, config(), healthy)
	r.awaitReady(t)
	for accept, want := range map[string]string{
		"": "text/plain; version=0.0.4", "application/openmetrics-text; version=1.0.0": "application/openmetrics-text; version=1.0.0",
	} {
		request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, r.base+"/metrics", nil)
		require.NoError(t, err)
		request.Header.Set("Accept", accept)
		response, err := r.client.Do(request)
		require.NoError(t, err)
		text, err := io.ReadAll(response.Body)
		require.NoError(t, err)
		require.NoError(t, response.Body.Close())
		require.True(t, strings.HasPrefix(response.Header.Get("Content-Type"), want), response.Header.Get("Content-Type"))
		require.Contains(t, string(text), "build_info{")
	}
	version := r.get(t, "/version")
	require.Equal(t, "test-service", version.members["service"])
	require.Contains(t, version.members, "commit")
}

// migrations make the smallest database.
var migrations = fstest.MapFS{"migrations/sqlite/00001_t.sql": &fstest.MapFile{Data: []byte(
	"-- +goose Up\nCREATE TABLE schema_admission (lowest_version BIGINT NOT NULL);\nINSERT INTO schema_admission VALUES (1);\n")}}

func TestADatabaseMakesTheHostReadyAndIsClosedAtTheEnd(t *testing.T) {
	already := goleak.IgnoreCurrent()
	var ping func(context.Context) error
	r := run(t, config(func(c *settings.Service) { c.DataDir = t.TempDir(); c.DrainDelay = 50 * time.Millisecond }), func(ctx context.Context, h *running) error {
		db, err := h.OpenDatabase(ctx, "test", migrations)
		if err == nil {
			ping = db.Ping
		}
		return err
	})
	r.awaitReady(t)
	require.Equal(t, http.StatusOK, r.get(t, "/health?ready=1").status)
	require.NoError(t, ping(t.Context()))
	r.leave()
	require.NoError(t, r.wait(t))
	require.Error(t, ping(t.Context()))
	r.client.CloseIdleConnections()
	goleak.VerifyNone(t, already)
}

func TestADatabaseThatCannotBeOpenedEndsTheHost(t *testing.T) {
	r := run(t, config(func(c *settings.Service) { c.DataDir = "/dev/null/data" }), func(ctx context.Context, h *running) error {
		_, err := h.OpenDatabase(ctx, "test", fstest.MapFS{})
		return err
	})
	require.ErrorContains(t, r.wait(t), "DATA_DIR")
}

func TestAHostWaitsForTheSQLiteFileThatAnotherHas(t *testing.T) {
	folder := t.TempDir()
	open := func(ctx context.Context, h *running) error {
		_, err := h.OpenDatabase(ctx, "test", migrations)
		return err
	}
	onFolder := config(func(c *settings.Service) { c.DataDir = folder })
	first := run(t, onFolder, open)
	first.awaitReady(t)
	second := run(t, onFolder, open)
	require.Eventually(t, func() bool { return len(second.log.Lines(t, "the database cannot be reached yet")) > 0 }, patience, time.Millisecond)
	require.Equal(t, http.StatusOK, second.get(t, "/health").status)
	require.Equal(t, http.StatusServiceUnavailable, second.get(t, "/health?ready=1").status)
	first.leave()
	second.awaitReady(t)
	require.Equal(t, http.StatusOK, second.get(t, "/health?ready=1").status)
}
