// Package lifecycle runs a service from its configuration to its exit. The
// service listens before its database is open, becomes ready last, and after
// SIGTERM keeps serving until clients have stopped sending requests to it.
package lifecycle

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"strconv"
	"syscall"
	"time"

	"github.com/prometheus/client_golang/prometheus/promhttp"

	"tandem/src/chassis/build"
	"tandem/src/chassis/connections"
	"tandem/src/chassis/health"
	"tandem/src/chassis/settings"
	"tandem/src/chassis/telemetry"
	"tandem/src/chassis/web"
)

const (
	// bodyGrace is the time that a body may take beyond what its length needs at the
	// least rate.
	bodyGrace = 5 * time.Second
	// stopPatience is the time for which a client that makes no progress holds the
	// shutdown, if half of SHUTDOWN_TIMEOUT is not shorter.
	stopPatience = 2 * time.Second
)

// App is one running service: its HTTP server and what the service shares with
// the chassis.
type App struct {
	Telemetry *telemetry.Telemetry
	Router    *web.Router
	Health    *health.Health

	settings settings.Service
	server   *http.Server
	closers  []func() error // called in reverse order by shutDown
}

// New returns an App whose router serves /health, /metrics and /version. It
// does not listen yet. It returns an error for an invalid log level or OTEL_*
// variable.
func New(ctx context.Context, service string, config settings.Service, getenv func(string) string, stdout io.Writer) (*App, error) {
	info := build.For(service)
	t, err := telemetry.New(ctx, info, telemetry.LogOptions{Level: config.LogLevel, Format: config.LogFormat}, getenv, stdout)
	if err != nil {
		return nil, &settings.UsageError{Err: err}
	}
	t.Log.Info("starting", slog.String("version", info.Version), config.Effective)
	a := &App{
		Telemetry: t, Router: web.NewRouter(t, config.MaxInFlight), Health: health.New(info, t.Registry), settings: config,
	}
	if config.Console {
		a.Router.SendServerTiming(service)
	}
	a.Router.AllowOrigins(config.CORSOrigins)
	metrics := promhttp.HandlerFor(t.Registry, promhttp.HandlerOpts{EnableOpenMetrics: true, Registry: t.Registry})
	a.Router.HandleProbe(http.MethodGet, "/health", a.Health.Handle)
	a.Router.Handle(http.MethodGet, "/version", func(w http.ResponseWriter, _ *http.Request) error {
		return web.JSON(w, http.StatusOK, info)
	})
	a.Router.HandleProbe(http.MethodGet, "/metrics", func(w http.ResponseWriter, r *http.Request) error {
		metrics.ServeHTTP(w, r)
		return nil
	})
	a.server = a.newServer()
	return a, nil
}

// OnClose registers a function that Run calls after the last response. The
// functions run in reverse order of registration.
func (a *App) OnClose(f func() error) { a.closers = append(a.closers, f) }

// Run serves until ctx ends. It listens, then calls start, which opens the
// service's dependencies and registers its routes, and then becomes ready. Run
// returns the errors of the listener, of start, of the functions registered by
// OnClose, and an error if the shutdown aborted requests.
func (a *App) Run(ctx context.Context, start func(context.Context) error) error {
	ctx, fail := context.WithCancelCause(ctx)
	defer fail(nil)
	listener, err := a.listen(ctx)
	if err != nil {
		return errors.Join(err, a.shutDown(context.WithoutCancel(ctx)))
	}
	go func() {
		if err := a.server.Serve(listener); !errors.Is(err, http.ErrServerClosed) {
			fail(fmt.Errorf("serve: %w", err))
		}
	}()
	a.Telemetry.Log.Info("listening", slog.String("address", listener.Addr().String()))
	return errors.Join(a.serve(ctx, start), a.shutDown(context.WithoutCancel(ctx)))
}

func (a *App) listen(ctx context.Context) (net.Listener, error) {
	if err := a.openTestHooks(ctx); err != nil {
		return nil, err
	}
	listener, err := net.Listen("tcp", net.JoinHostPort(a.settings.ListenHost, strconv.Itoa(a.settings.Port)))
	if err != nil {
		return nil, a.listenError(err)
	}
	limits := connections.NewLimits(a.settings.MaxConnections)
	limits.BodyGrace, limits.StopPatience = bodyGrace, min(stopPatience, a.settings.ShutdownTimeout/2)
	return connections.Limit(listener, limits), nil
}

// listenError returns a sentence that names the setting to change.
func (a *App) listenError(err error) error {
	port := cmp.Or(a.settings.PortVariable, "PORT")
	switch {
	case errors.Is(err, syscall.EADDRINUSE):
		return fmt.Errorf("port %d is in use: stop the program that uses it, or give another port in %s", a.settings.Port, port)
	case errors.Is(err, syscall.EACCES):
		return fmt.Errorf("port %d needs more rights than this process has: give a port from 1024 in %s", a.settings.Port, port)
	default:
		return fmt.Errorf("LISTEN_HOST=%q is not usable: give an address of this machine, or none for all: %w", a.settings.ListenHost, err)
	}
}

// serve calls start, becomes ready and blocks until ctx ends and the drain
// delay is over.
func (a *App) serve(ctx context.Context, start func(context.Context) error) error {
	startTime := time.Now()
	if err := start(ctx); err != nil {
		if ctx.Err() != nil {
			a.logUnready(ctx, err)
			return shutdownCause(ctx)
		}
		return err
	}
	if ctx.Err() != nil {
		return shutdownCause(ctx)
	}
	a.Router.Open()
	a.Health.SetReady()
	a.Telemetry.Log.Info("ready", slog.Float64("duration_seconds", time.Since(startTime).Seconds()))
	if a.settings.OnReady != nil {
		a.settings.OnReady()
	}
	<-ctx.Done()
	a.drain()
	return shutdownCause(ctx)
}

// logUnready logs that the start has ended before the service was ready, and
// why. That it was canceled, by a signal or since another service of the process
// has failed, says nothing about what it was doing.
func (a *App) logUnready(ctx context.Context, err error) {
	var attrs []any
	if !errors.Is(err, context.Canceled) && !errors.Is(err, context.Cause(ctx)) {
		attrs = append(attrs, slog.String("error", err.Error()))
	}
	a.Telemetry.Log.Info("stopped before it was ready", attrs...)
}

// shutdownCause returns the error that ended ctx, or nil if a signal or the
// caller did.
func shutdownCause(ctx context.Context) error {
	if cause := context.Cause(ctx); !errors.Is(cause, context.Canceled) {
		return cause
	}
	return nil
}

// drain makes the service unready and keeps it serving for the drain delay.
// Kubernetes removes a deleted pod from its Service, but each kube-proxy and each client
// learns of the removal at a different time
// (https://kubernetes.io/docs/concepts/workloads/pods/pod-lifecycle/#pod-termination-flow).
func (a *App) drain() {
	a.Health.SetDraining()
	a.Router.Drain()
	a.Telemetry.Log.Info("draining", slog.Float64("delay_seconds", a.settings.DrainDelay.Seconds()))
	time.Sleep(a.settings.DrainDelay)
}

// shutDown stops the server, exports the remaining spans and calls the
// functions registered by OnClose. Stopping and exporting have timeouts; the
// functions have none.
func (a *App) shutDown(ctx context.Context) error {
	err := a.stopServer(ctx)
	a.flush(ctx)
	for i := len(a.closers) - 1; i >= 0; i-- {
		err = errors.Join(err, a.closers[i]())
	}
	a.Telemetry.Log.Info("stopped")
	return err
}

// flush exports the remaining spans. It logs how many are lost, if any are.
func (a *App) flush(ctx context.Context) {
	err := a.Telemetry.Flush(ctx)
	if err == nil {
		return
	}
	attrs := []any{slog.String("error", err.Error())}
	if lost, ok := errors.AsType[*telemetry.LostSpansError](err); ok {
		attrs = append(attrs, slog.Int64("spans", lost.Spans))
	}
	a.Telemetry.Log.Warn("traces were lost", attrs...)
}

// stopServer closes the listener and waits for the requests in flight. Clients that
// make no progress for stopPatience are cut. After SHUTDOWN_TIMEOUT it aborts the
// other requests and returns an error.
func (a *App) stopServer(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, a.settings.ShutdownTimeout)
	defer cancel()
	if err := a.server.Shutdown(ctx); err != nil {
		aborted := fmt.Errorf("requests were aborted after SHUTDOWN_TIMEOUT %s: %w", a.settings.ShutdownTimeout, err)
		return errors.Join(aborted, a.server.Close())
	}
	return nil
}

// newServer returns a server with limits on the time and memory that a client can
// occupy. Those on bodies and responses are those of its connections.
func (a *App) newServer() *http.Server {
	server := &http.Server{
		Handler:           a.Router,
		ReadHeaderTimeout: a.settings.HeaderTimeout,
		IdleTimeout:       a.settings.IdleTimeout,
		MaxHeaderBytes:    64 << 10,
		ErrorLog:          slog.NewLogLogger(a.Telemetry.Log.Handler(), slog.LevelWarn),

		// The router answers OPTIONS * too.
		DisableGeneralOptionsHandler: true,
	}
	connections.Attach(server)
	return server
}
