package telemetry

import (
	"context"
	"log/slog"

	"github.com/go-logr/logr"
	"github.com/prometheus/client_golang/prometheus"
	"go.opentelemetry.io/otel"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/trace"

	"tandem/src/chassis/build"
)

// traces are the tracer of a service and what exports its spans.
type traces struct {
	tracer trace.Tracer
	spans  *countingProcessor // nil if nothing is exported
}

// newTraces returns a tracer whose spans are exported as the variables say. If they
// name neither an endpoint nor an exporter, or disable one of them, it exports nothing.
func newTraces(
	ctx context.Context, info build.Info, e *environment, attrs map[string]string, log *slog.Logger, registry prometheus.Registerer,
) (*traces, error) {
	// Everything is read, so that report names what is not honoured also if nothing is exported.
	sampler, limits, batches, settings := e.sampler(), e.spanLimits(), e.batchSettings(), e.exporterSettings()
	// The SDK reads the same variables before it applies the options. What it would say about
	// them e says already, without the values of secrets.
	otel.SetLogger(logr.Discard())
	otel.SetErrorHandler(otel.ErrorHandlerFunc(func(error) {}))
	exporter, err := e.newExporter(ctx, settings)
	if err != nil {
		return nil, err
	}
	if exporter == nil {
		return &traces{tracer: passingTracer{}}, nil
	}
	res, err := newResource(ctx, attrs)
	if err != nil {
		return nil, err
	}
	spans := newCountingProcessor(exporter, batches, log, registry)
	provider := sdktrace.NewTracerProvider(sdktrace.WithSpanProcessor(spans), sdktrace.WithResource(res),
		sdktrace.WithSampler(sampler), sdktrace.WithRawSpanLimits(limits))
	return &traces{provider.Tracer("tandem", trace.WithInstrumentationVersion(info.Version)), spans}, nil
}

// logMessages makes the messages of OpenTelemetry's packages lines of the log. Their
// handlers are global: of several services in a process, the last one logs them.
func logMessages(log *slog.Logger) {
	otel.SetLogger(logr.FromSlogHandler(sdkHandler{log.Handler()}))
	otel.SetErrorHandler(otel.ErrorHandlerFunc(func(err error) {
		log.Warn("OpenTelemetry reports an error", slog.String("error", err.Error()))
	}))
}

// sdkHandler logs warnings of OpenTelemetry's packages at WARN and what is less
// important at DEBUG: they are on the levels 1, 4 and 8 of logr.
type sdkHandler struct{ slog.Handler }

func (h sdkHandler) Enabled(ctx context.Context, level slog.Level) bool {
	return h.Handler.Enabled(ctx, sdkLevel(level))
}

func (h sdkHandler) Handle(ctx context.Context, record slog.Record) error {
	record.Level = sdkLevel(record.Level)
	return h.Handler.Handle(ctx, record)
}

func (h sdkHandler) WithAttrs(attrs []slog.Attr) slog.Handler {
	return sdkHandler{h.Handler.WithAttrs(attrs)}
}

func (h sdkHandler) WithGroup(name string) slog.Handler { return sdkHandler{h.Handler.WithGroup(name)} }

// sdkLevel returns the level of a message of which logr says its verbosity as a negative level.
func sdkLevel(level slog.Level) slog.Level {
	switch {
	case level >= slog.LevelError:
		return slog.LevelError
	case level >= -1:
		return slog.LevelWarn
	default:
		return slog.LevelDebug
	}
}
