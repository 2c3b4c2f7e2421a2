// Package telemetry holds a service's three signals: a JSON log, Prometheus
// metrics and OpenTelemetry traces. Nothing in it is global, so that two
// services fit into one process.
package telemetry

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"go.opentelemetry.io/otel/propagation"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/trace"

	"tandem/src/chassis/build"
)

// FlushTimeout bounds the last export of traces: a dead collector must not
// hold the exit.
const FlushTimeout = 3 * time.Second

// Telemetry is where a service's signals go.
type Telemetry struct {
	Log        *slog.Logger
	Registry   *prometheus.Registry
	Tracer     trace.Tracer
	Propagator propagation.TextMapPropagator

	provider *sdktrace.TracerProvider
}

// New prepares the signals of a service. Traces are exported only where the
// standard OTEL_* variables name an endpoint or an exporter; the log goes to
// out. The error is that of a bad OTEL_* variable.
func New(ctx context.Context, info build.Info, level string, getenv func(string) string, out io.Writer) (*Telemetry, error) {
	log, err := newLog(level, out)
	if err != nil {
		return nil, err
	}
	registry := newRegistry(info)
	propagator, err := newPropagator(getenv)
	if err != nil {
		return nil, fmt.Errorf("set up tracing from the OTEL_ variables: %w", err)
	}
	provider, err := newTracerProvider(ctx, info, getenv, log, registry)
	if err != nil {
		return nil, fmt.Errorf("set up tracing from the OTEL_ variables: %w", err)
	}
	return &Telemetry{
		Log:        log.With(slog.String("service.name", info.Service)),
		Registry:   registry,
		Tracer:     provider.Tracer("tandem", trace.WithInstrumentationVersion(info.Version)),
		Propagator: propagator,
		provider:   provider,
	}, nil
}

// Flush exports what is still queued, within FlushTimeout, and ends tracing.
func (t *Telemetry) Flush(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, FlushTimeout)
	defer cancel()
	if err := t.provider.Shutdown(ctx); err != nil {
		return fmt.Errorf("flush traces within %s: %w", FlushTimeout, err)
	}
	return nil
}

func newRegistry(info build.Info) *prometheus.Registry {
	registry := prometheus.NewRegistry()
	facts := prometheus.NewGauge(prometheus.GaugeOpts{
		Name:        "build_info",
		Help:        "What this process was built from; always 1.",
		ConstLabels: prometheus.Labels{"service": info.Service, "version": info.Version, "commit": info.Commit, "go_version": info.Go},
	})
	facts.Set(1)
	registry.MustRegister(facts, collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	return registry
}
