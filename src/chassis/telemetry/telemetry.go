// Package telemetry provides the three signals of a service: a log,
// Prometheus metrics and OpenTelemetry traces. Two services can run in one
// process, because the signals are not package-level state.
package telemetry

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"go.opentelemetry.io/otel/propagation"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	semconv "go.opentelemetry.io/otel/semconv/v1.43.0"
	"go.opentelemetry.io/otel/trace"

	"tandem/src/chassis/build"
)

// FlushTimeout limits the last export of spans, so that an unreachable
// collector does not delay the exit.
const FlushTimeout = 3 * time.Second

// Telemetry holds the signals of one service.
type Telemetry struct {
	Log        *slog.Logger
	Registry   *prometheus.Registry
	Tracer     trace.Tracer
	Propagator propagation.TextMapPropagator

	provider *sdktrace.TracerProvider
}

// New returns the signals of a service. The log goes to out. Spans are exported if the standard OTEL_*
// variables name an endpoint or an exporter
// (https://opentelemetry.io/docs/specs/otel/configuration/sdk-environment-variables/).
// The error is that of an invalid level or OTEL_* variable.
func New(ctx context.Context, info build.Info, options LogOptions, getenv func(string) string, out io.Writer) (*Telemetry, error) {
	log, err := newLog(options, out)
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
		Log:        log.With(slog.String(string(semconv.ServiceNameKey), info.Service)),
		Registry:   registry,
		Tracer:     provider.Tracer("tandem", trace.WithInstrumentationVersion(info.Version)),
		Propagator: propagator,
		provider:   provider,
	}, nil
}

// Flush exports the queued spans and stops tracing. It returns an error after
// FlushTimeout, or if the export fails.
func (t *Telemetry) Flush(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, FlushTimeout)
	defer cancel()
	if err := t.provider.Shutdown(ctx); err != nil {
		return fmt.Errorf("flush traces within %s: %w", FlushTimeout, err)
	}
	return nil
}
