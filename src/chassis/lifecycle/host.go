// Package lifecycle takes a service from its configuration to its exit: it
// listens before the store is there, is ready last, and on SIGTERM goes on
// serving until every client has learned that it leaves.
package lifecycle

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"strconv"
	"time"

	"github.com/prometheus/client_golang/prometheus/promhttp"

	"tandem/src/chassis/build"
	"tandem/src/chassis/health"
	"tandem/src/chassis/settings"
	"tandem/src/chassis/telemetry"
	"tandem/src/chassis/web"
)

// App carries one service through its life.
type App struct {
	Telemetry *telemetry.Telemetry
	Router    *web.Router
	Health    *health.Health

	settings settings.Service
	server   *http.Server
	closers  []func() error
}

// New prepares a host whose router answers /health, /metrics and /version.
// Nothing listens yet.
func New(ctx context.Context, service string, config settings.Service, getenv func(string) string, stdout io.Writer) (*App, error) {
	info := build.For(service)
	t, err := telemetry.New(ctx, info, config.LogLevel, getenv, stdout)
	if err != nil {
		return nil, err
	}
	t.Log.Info("starting", slog.String("version", info.Version), config.Effective)
	h := &App{
		Telemetry: t, Router: web.NewRouter(t, config.MaxInFlight), Health: health.New(info, t.Registry), settings: config,
	}
	metrics := promhttp.HandlerFor(t.Registry, promhttp.HandlerOpts{EnableOpenMetrics: true, Registry: t.Registry})
	h.Router.HandleProbe(http.MethodGet, "/health", h.Health.Get)
	h.Router.Handle(http.MethodGet, "/version", func(w http.ResponseWriter, _ *http.Request) error {
		return web.JSON(w, http.StatusOK, info)
	})
	h.Router.HandleProbe(http.MethodGet, "/metrics", func(w http.ResponseWriter, r *http.Request) error {
		metrics.ServeHTTP(w, r)
		return nil
	})
	h.server = h.newServer()
	return h, nil
}

// OnClose registers what is closed when the last request has been answered,
// in reverse order.
func (h *App) OnClose(f func() error) { h.closers = append(h.closers, f) }

// Run serves until the context ends. It listens first, then calls start, which
// opens what the service stands on and registers its routes, then is ready.
// The error is that of the listener, of start, or of a shutdown that had to
// cut requests.
func (h *App) Run(ctx context.Context, start func(context.Context) error) error {
	ctx, fail := context.WithCancelCause(ctx)
	defer fail(nil)
	listener, err := h.listen(ctx)
	if err != nil {
		return errors.Join(err, h.shutDown(context.WithoutCancel(ctx)))
	}
	go func() {
		if err := h.server.Serve(listener); !errors.Is(err, http.ErrServerClosed) {
			fail(fmt.Errorf("serve: %w", err))
		}
	}()
	h.Telemetry.Log.Info("listening", slog.String("address", listener.Addr().String()))
	return errors.Join(h.serve(ctx, start), h.shutDown(context.WithoutCancel(ctx)))
}

func (h *App) listen(ctx context.Context) (net.Listener, error) {
	if err := h.openTestHooks(ctx); err != nil {
		return nil, err
	}
	listener, err := net.Listen("tcp", net.JoinHostPort("", strconv.Itoa(h.settings.Port)))
	if err != nil {
		return nil, fmt.Errorf("listen on port %d: %w", h.settings.Port, err)
	}
	return listener, nil
}

// serve starts the service and blocks until it has to leave.
func (h *App) serve(ctx context.Context, start func(context.Context) error) error {
	began := time.Now()
	if err := start(ctx); err != nil {
		if ctx.Err() != nil {
			h.Telemetry.Log.Info("ended before it was ready", slog.String("error", err.Error()))
			return ended(ctx)
		}
		return err
	}
	if ctx.Err() != nil {
		return ended(ctx)
	}
	h.Router.Open()
	h.Health.Ready()
	h.Telemetry.Log.Info("ready", slog.Int64("duration_ms", time.Since(began).Milliseconds()))
	<-ctx.Done()
	h.drain()
	return ended(ctx)
}

// ended is the error because of which the context ended; nil where it was
// asked to.
func ended(ctx context.Context) error {
	if cause := context.Cause(ctx); !errors.Is(cause, context.Canceled) {
		return cause
	}
	return nil
}

// drain goes on serving while clients learn that this process leaves. Deletion
// removes a pod from its Service, but every kube-proxy and client hears of it
// in its own time
// (https://kubernetes.io/docs/concepts/workloads/pods/pod-lifecycle/#pod-termination-flow).
func (h *App) drain() {
	h.Health.Drain()
	h.Router.Drain()
	h.Telemetry.Log.Info("draining", slog.String("delay", h.settings.DrainDelay.String()))
	time.Sleep(h.settings.DrainDelay)
}

// shutDown stops accepting, finishes what is in flight, exports the last
// traces and closes what was opened, each within its own bound.
func (h *App) shutDown(ctx context.Context) error {
	err := h.stopServer(ctx)
	if flushErr := h.Telemetry.Flush(ctx); flushErr != nil {
		h.Telemetry.Log.Warn("traces were lost", slog.String("error", flushErr.Error()))
	}
	for i := len(h.closers) - 1; i >= 0; i-- {
		err = errors.Join(err, h.closers[i]())
	}
	h.Telemetry.Log.Info("stopped")
	return err
}

func (h *App) stopServer(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, h.settings.ShutdownTimeout)
	defer cancel()
	if err := h.server.Shutdown(ctx); err != nil {
		return errors.Join(fmt.Errorf("requests were cut after SHUTDOWN_TIMEOUT %s: %w", h.settings.ShutdownTimeout, err), h.server.Close())
	}
	return nil
}

// newServer bounds everything that a client could draw out.
func (h *App) newServer() *http.Server {
	return &http.Server{
		Handler:           h.Router,
		ReadHeaderTimeout: 5 * time.Second,
		ReadTimeout:       15 * time.Second,
		WriteTimeout:      30 * time.Second,
		IdleTimeout:       2 * time.Minute, // longer than clients keep theirs, so that they close first
		MaxHeaderBytes:    64 << 10,
		ErrorLog:          slog.NewLogLogger(h.Telemetry.Log.Handler(), slog.LevelWarn),
	}
}
