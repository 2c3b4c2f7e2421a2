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

	spans *countingProcessor // nil if nothing is exported
}

// New returns the signals of a service. The log goes to out. Spans are exported if the standard OTEL_*
// variables name an endpoint or an exporter
// (https://opentelemetry.io/docs/specs/otel/configuration/sdk-environment-variables/).
// What it does not honour of these variables, it logs in one line. The error is that of
// an invalid level, or of a variable that would make spans go elsewhere or nowhere.
func New(ctx context.Context, info build.Info, options LogOptions, getenv func(string) string, out io.Writer) (*Telemetry, error) {
	log, err := newLog(options, out)
	if err != nil {
		return nil, err
	}
	e := newEnvironment(getenv)
	resource := e.resourceAttributes(info)
	log = log.With(serviceAttributes(resource)...)
	defer logMessages(log)
	t := &Telemetry{Log: log, Registry: newRegistry(info), Propagator: e.propagator(), Tracer: passingTracer{}}
	// A disabled SDK makes all other variables meaningless, except that of the propagators.
	if !e.boolean("OTEL_SDK_DISABLED", e.get("OTEL_SDK_DISABLED")) {
		traces, err := newTraces(ctx, info, e, resource, log, t.Registry)
		if err != nil {
			return nil, fmt.Errorf("set up tracing from the OTEL_ variables: %w", err)
		}
		t.Tracer, t.spans = traces.tracer, traces.spans
		e.noteUnknown()
	}
	e.report(log)
	return t, nil
}

// Flush exports the queued spans and stops tracing, within FlushTimeout. The error
// has a LostSpansError if some were not exported.
func (t *Telemetry) Flush(ctx context.Context) error {
	if t.spans == nil {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, FlushTimeout)
	defer cancel()
	if err := t.spans.flush(ctx); err != nil {
		return fmt.Errorf("flush traces within %s: %w", FlushTimeout, err)
	}
	return nil
}
