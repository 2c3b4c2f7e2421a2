package lifecycle_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
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

// waitTimeout is how long a test waits for an expected event.
const waitTimeout = 20 * time.Second

// runningApp is an App that a test runs.
type runningApp struct {
	*lifecycle.App
	log     *telemetrytest.Log
	cancel  context.CancelFunc // has the effect of SIGTERM
	result  chan error         // of App.Run
	baseURL string
	client  *http.Client
}

// config returns settings without delays, adjusted by the given functions.
func config(adjust ...func(*settings.Service)) settings.Service {
	var c settings.Service
	if err := settings.Defaults(&c); err != nil {
		panic(err) // a tag of the settings is wrong
	}
	c.ShutdownTimeout, c.MaxInFlight, c.LogLevel = waitTimeout, 10, "debug"
	for _, f := range adjust {
		f(&c)
	}
	return c
}

func emptyEnv(string) string { return "" }

// run runs an App and waits until it listens.
func run(t *testing.T, c settings.Service, start func(ctx context.Context, a *runningApp) error) *runningApp {
	t.Helper()
	log := new(telemetrytest.Log)
	app, err := lifecycle.New(t.Context(), "test-service", c, emptyEnv, log)
	require.NoError(t, err)
	ctx, cancel := context.WithCancel(t.Context())
	transport := &http.Transport{}
	r := &runningApp{
		App: app, log: log, cancel: cancel, result: make(chan error, 1),
		client: &http.Client{Transport: transport, Timeout: waitTimeout},
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		r.result <- app.Run(ctx, func(ctx context.Context) error { return start(ctx, r) })
	}()
	t.Cleanup(func() {
		cancel()
		transport.CloseIdleConnections()
		<-done
	})
	require.Eventually(t, func() bool { return len(log.Lines(t, "listening")) == 1 }, waitTimeout, time.Millisecond)
	_, port, err := net.SplitHostPort(log.Lines(t, "listening")[0]["address"].(string))
	require.NoError(t, err)
	r.baseURL = "http://" + net.JoinHostPort("127.0.0.1", port)
	return r
}

// response is a response that has been read completely.
type response struct {
	status  int
	closes  bool // has Connection: close
	members map[string]any
}

func (r *runningApp) get(t *testing.T, path string) response {
	t.Helper()
	resp, err := r.client.Get(r.baseURL + path)
	require.NoError(t, err)
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	require.NoError(t, err)
	read := response{status: resp.StatusCode, closes: resp.Close}
	_ = json.Unmarshal(text, &read.members) // stays nil if the body is not JSON
	return read
}

func (r *runningApp) awaitReady(t *testing.T) {
	t.Helper()
	require.Eventually(t, func() bool {
		return len(r.log.Lines(t, "ready")) == 1 || len(r.result) == 1
	}, waitTimeout, time.Millisecond)
	if len(r.result) == 1 {
		t.Fatal("the app stopped before it was ready: ", <-r.result)
	}
}

func (r *runningApp) wait(t *testing.T) error {
	t.Helper()
	select {
	case err := <-r.result:
		return err
	case <-time.After(waitTimeout):
		t.Fatal("the app does not stop")
		return nil
	}
}

// healthy is a start function that registers one route and watches a healthy store.
func healthy(ctx context.Context, a *runningApp) error {
	a.Router.Handle("GET", "/things", ok)
	a.Health.WatchStore(ctx, func(context.Context) error { return nil })
	return nil
}

func ok(w http.ResponseWriter, _ *http.Request) error {
	return web.JSON(w, http.StatusOK, map[string]bool{"ok": true})
}

// requirePortFree checks that nothing listens on the port any more.
func (r *runningApp) requirePortFree(t *testing.T) {
	t.Helper()
	require.Eventually(t, func() bool {
		listener, err := net.Listen("tcp", strings.TrimPrefix(r.baseURL, "http://127.0.0.1"))
		return err == nil && listener.Close() == nil
	}, waitTimeout, time.Millisecond)
}

func TestRun(t *testing.T) {
	t.Run("listens before start and is ready after it", func(t *testing.T) {
		release := make(chan struct{})
		r := run(t, config(), func(ctx context.Context, a *runningApp) error {
			<-release
			return healthy(ctx, a)
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
		r.cancel()
		require.NoError(t, r.wait(t))
		r.requirePortFree(t)
		require.Len(t, r.log.Lines(t, "stopped"), 1)
	})

	t.Run("returns the error of start and frees the port", func(t *testing.T) {
		boom := errors.New("no such database")
		closed := false
		r := run(t, config(func(c *settings.Service) { c.DrainDelay = time.Hour }), func(_ context.Context, a *runningApp) error {
			a.OnClose(func() error { closed = true; return nil })
			return boom
		})
		err := r.wait(t)
		require.ErrorIs(t, err, boom)
		require.EqualError(t, err, boom.Error())
		require.True(t, closed, "OnClose functions run")
		r.requirePortFree(t)
		require.Empty(t, r.log.Lines(t, "draining"), "it was never ready")
	})

	t.Run("returns nil after a signal during start", func(t *testing.T) {
		r := run(t, config(func(c *settings.Service) { c.DrainDelay = time.Hour }), func(ctx context.Context, _ *runningApp) error {
			<-ctx.Done()
			return ctx.Err()
		})
		r.cancel()
		require.NoError(t, r.wait(t))
	})

	t.Run("is unready and serves during the drain delay", func(t *testing.T) {
		const delay = time.Second
		r := run(t, config(func(c *settings.Service) { c.DrainDelay = delay }), healthy)
		r.awaitReady(t)
		require.False(t, r.get(t, "/things").closes)
		start := time.Now()
		r.cancel()
		require.Eventually(t, func() bool { return len(r.log.Lines(t, "draining")) == 1 }, waitTimeout, time.Millisecond)

		probe := r.get(t, "/health?ready=1")
		require.Equal(t, http.StatusServiceUnavailable, probe.status)
		require.Equal(t, "The service is shutting down.", probe.members["error"])
		for _, path := range []string{"/things", "/health", "/metrics", "/nothing"} {
			got := r.get(t, path)
			require.Less(t, got.status, 500, path)
			require.True(t, got.closes, path)
		}
		require.Empty(t, r.result)
		require.NoError(t, r.wait(t))
		require.GreaterOrEqual(t, time.Since(start), delay)
		_, err := r.client.Get(r.baseURL + "/health")
		require.Error(t, err)
	})

	t.Run("finishes requests in flight before it calls OnClose functions", func(t *testing.T) {
		entered, release := make(chan struct{}), make(chan struct{})
		r := run(t, config(), slow(entered, release))
		r.awaitReady(t)
		closed := make(chan struct{})
		r.OnClose(func() error { close(closed); return nil })
		responses := make(chan response)
		go func() { responses <- r.get(t, "/slow") }()
		<-entered
		r.cancel()
		// The listener closes while the request is in flight.
		require.Eventually(t, func() bool {
			conn, err := net.Dial("tcp", strings.TrimPrefix(r.baseURL, "http://"))
			return err != nil || conn.Close() != nil
		}, waitTimeout, time.Millisecond)
		select {
		case <-closed:
			t.Fatal("closed during a request")
		case <-r.result:
			t.Fatal("stopped during a request")
		default:
		}
		close(release)
		require.Equal(t, http.StatusOK, (<-responses).status)
		require.NoError(t, r.wait(t))
		<-closed
	})

	t.Run("aborts requests after the shutdown timeout", func(t *testing.T) {
		entered, release := make(chan struct{}), make(chan struct{})
		r := run(t, config(func(c *settings.Service) { c.ShutdownTimeout = 200 * time.Millisecond }), slow(entered, release))
		defer close(release)
		r.awaitReady(t)
		aborted := make(chan error)
		go func() {
			response, err := r.client.Get(r.baseURL + "/slow")
			if err == nil {
				response.Body.Close()
			}
			aborted <- err
		}()
		<-entered
		start := time.Now()
		r.cancel()
		err := r.wait(t)
		require.Less(t, time.Since(start), 4*time.Second)
		require.ErrorContains(t, err, "requests were aborted after SHUTDOWN_TIMEOUT 200ms")
		require.ErrorIs(t, err, context.DeadlineExceeded)
		require.Error(t, <-aborted)
	})

	t.Run("does not wait for clients that make no progress", func(t *testing.T) {
		r := run(t, config(), func(ctx context.Context, a *runningApp) error {
			a.Router.Handle("POST", "/things", ok)
			return healthy(ctx, a)
		})
		r.awaitReady(t)
		for _, text := range []string{"", "GET /things HTTP/1.1\r\nHo", "POST /things HTTP/1.1\r\nHost: x\r\nContent-Length: 9\r\n\r\n{"} {
			conn, err := net.Dial("tcp", strings.TrimPrefix(r.baseURL, "http://"))
			require.NoError(t, err)
			defer conn.Close()
			_, err = io.WriteString(conn, text)
			require.NoError(t, err)
		}
		require.Equal(t, http.StatusOK, r.get(t, "/things").status, "the connections before it are accepted")
		start := time.Now()
		r.cancel()
		require.NoError(t, r.wait(t))
		require.Less(t, time.Since(start), 3500*time.Millisecond)
	})

	t.Run("calls OnClose functions in reverse order and returns their errors", func(t *testing.T) {
		var order []int
		r := run(t, config(), func(ctx context.Context, a *runningApp) error {
			for i := range 3 {
				a.OnClose(func() error {
					order = append(order, i)
					if i == 1 {
						return errors.New("the second does not close")
					}
					return nil
				})
			}
			return healthy(ctx, a)
		})
		r.awaitReady(t)
		r.cancel()
		require.EqualError(t, r.wait(t), "the second does not close")
		require.Equal(t, []int{2, 1, 0}, order)
	})

	t.Run("names the setting to change if it cannot listen", func(t *testing.T) {
		listener, err := net.Listen("tcp", "127.0.0.1:0")
		require.NoError(t, err)
		defer listener.Close()
		port := listener.Addr().(*net.TCPAddr).Port
		inUse := "port " + strconv.Itoa(port) + " is in use: stop the program that uses it, or give another port in "
		tests := map[string]struct {
			adjust func(*settings.Service)
			want   string
		}{
			"a port that is in use": {func(c *settings.Service) { c.Port = port }, inUse + "PORT"},
			"the port's variable":   {func(c *settings.Service) { c.Port, c.PortVariable = port, "USERS_PORT" }, inUse + "USERS_PORT"},
			"another host's address": {
				func(c *settings.Service) { c.ListenHost = "192.0.2.1" },
				`LISTEN_HOST="192.0.2.1" is not usable: give an address of this machine, or none for all`,
			},
		}
		for name, tt := range tests {
			t.Run(name, func(t *testing.T) {
				app, err := lifecycle.New(t.Context(), "test-service", config(tt.adjust), emptyEnv, io.Discard)
				require.NoError(t, err)
				err = app.Run(t.Context(), func(context.Context) error {
					t.Error("start was called without a listener")
					return nil
				})
				require.ErrorContains(t, err, tt.want)
			})
		}
	})

	t.Run("listens on LISTEN_HOST only", func(t *testing.T) {
		r := run(t, config(func(c *settings.Service) { c.ListenHost = "127.0.0.1" }), healthy)
		require.Equal(t, "http://"+r.log.Lines(t, "listening")[0]["address"].(string), r.baseURL)
	})

	t.Run("calls OnReady when it is ready", func(t *testing.T) {
		readiness := make(chan int, 1)
		var r *runningApp
		started := make(chan struct{})
		r = run(t, config(func(c *settings.Service) {
			c.OnReady = func() { <-started; readiness <- r.get(t, "/health?ready=1").status }
		}), healthy)
		close(started)
		require.Equal(t, http.StatusOK, <-readiness)
	})

	t.Run("blames nothing for a start that was canceled", func(t *testing.T) {
		for _, reason := range []func(context.Context) error{context.Cause, context.Context.Err} {
			r := run(t, config(), func(ctx context.Context, _ *runningApp) error {
				<-ctx.Done()
				return fmt.Errorf("open the database: %w", reason(ctx))
			})
			r.cancel()
			require.NoError(t, r.wait(t))
			require.NotContains(t, r.log.Lines(t, "stopped before it was ready")[0], "error")
		}
	})

	t.Run("logs each phase in order", func(t *testing.T) {
		r := run(t, config(), healthy)
		r.awaitReady(t)
		r.cancel()
		require.NoError(t, r.wait(t))
		at := -1
		for _, message := range []string{"starting", "listening", "ready", "draining", "stopped"} {
			next := strings.Index(r.log.String(), `"msg":"`+message+`"`)
			require.Greater(t, next, at, message)
			at = next
			require.Equal(t, "test-service", r.log.Lines(t, message)[0]["service.name"])
		}
	})

	t.Run("serves metrics as text or OpenMetrics", func(t *testing.T) {
		r := run(t, config(), healthy)
		r.awaitReady(t)
		for accept, want := range map[string]string{
			"": "text/plain; version=0.0.4", "application/openmetrics-text; version=1.0.0": "application/openmetrics-text; version=1.0.0",
		} {
			request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, r.baseURL+"/metrics", nil)
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
	})
}

// slow returns a start function with a route that responds after release.
func slow(entered, release chan struct{}) func(context.Context, *runningApp) error {
	return func(ctx context.Context, a *runningApp) error {
		a.Router.Handle("GET", "/slow", func(w http.ResponseWriter, r *http.Request) error {
			close(entered)
			<-release
			return ok(w, r)
		})
		return healthy(ctx, a)
	}
}

func TestNew(t *testing.T) {
	t.Run("returns the error of an invalid OTEL variable", func(t *testing.T) {
		_, err := lifecycle.New(t.Context(), "test-service", config(), func(name string) string {
			return map[string]string{"OTEL_TRACES_EXPORTER": "zipkin"}[name]
		}, io.Discard)
		require.ErrorContains(t, err, "OTEL_TRACES_EXPORTER")
	})
}

// migrations create the smallest schema that OpenDatabase accepts.
var migrations = fstest.MapFS{"migrations/sqlite/00001_t.sql": &fstest.MapFile{Data: []byte(
	"-- +goose Up\nCREATE TABLE test_schema_admission (lowest_version BIGINT NOT NULL);\nINSERT INTO test_schema_admission VALUES (1);\n")}}

func TestOpenDatabase(t *testing.T) {
	t.Run("makes the app ready, and closes when the app stops", func(t *testing.T) {
		ignored := goleak.IgnoreCurrent()
		var ping func(context.Context) error
		inTempDir := config(func(c *settings.Service) { c.DataDir = t.TempDir(); c.DrainDelay = 50 * time.Millisecond })
		r := run(t, inTempDir, func(ctx context.Context, a *runningApp) error {
			db, err := a.OpenDatabase(ctx, "test", migrations)
			if err == nil {
				ping = db.Ping
			}
			return err
		})
		r.awaitReady(t)
		require.Equal(t, http.StatusOK, r.get(t, "/health?ready=1").status)
		require.NoError(t, ping(t.Context()))
		r.cancel()
		require.NoError(t, r.wait(t))
		require.Error(t, ping(t.Context()))
		r.client.CloseIdleConnections()
		goleak.VerifyNone(t, ignored)
	})

	t.Run("returns the error of an unusable folder", func(t *testing.T) {
		r := run(t, config(func(c *settings.Service) { c.DataDir = "/dev/null/data" }), func(ctx context.Context, a *runningApp) error {
			_, err := a.OpenDatabase(ctx, "test", fstest.MapFS{})
			return err
		})
		require.ErrorContains(t, r.wait(t), "DATA_DIR")
	})

	t.Run("waits for a SQLite file that another app has locked", func(t *testing.T) {
		dir := t.TempDir()
		open := func(ctx context.Context, a *runningApp) error {
			_, err := a.OpenDatabase(ctx, "test", migrations)
			return err
		}
		shared := config(func(c *settings.Service) { c.DataDir = dir })
		first := run(t, shared, open)
		first.awaitReady(t)
		second := run(t, shared, open)
		require.Eventually(t, func() bool {
			return len(second.log.Lines(t, "the database cannot be reached yet")) > 0
		}, waitTimeout, time.Millisecond)
		require.Equal(t, http.StatusOK, second.get(t, "/health").status)
		require.Equal(t, http.StatusServiceUnavailable, second.get(t, "/health?ready=1").status)
		first.cancel()
		second.awaitReady(t)
		require.Equal(t, http.StatusOK, second.get(t, "/health?ready=1").status)
	})
}
