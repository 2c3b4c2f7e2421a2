package web

import (
	"context"
	"log/slog"
	"net/http"

	semconv "go.opentelemetry.io/otel/semconv/v1.43.0"
	"go.opentelemetry.io/otel/trace"
)

// record adds the request to the metrics and writes its log line.
func (h *route) record(ctx context.Context, rec *responseRecorder, r *http.Request, level slog.Level) {
	h.router.metrics.observe(rec.method, h.template, rec.status, rec.end(), trace.SpanContextFromContext(ctx))
	if h.router.log.Enabled(ctx, level) {
		h.log(ctx, rec, r, level)
	}
}

// recordRefusal does the same for a refused request, without a context that has its trace
// unless the log needs one.
func (h *route) recordRefusal(ctx context.Context, span trace.SpanContext, rec *responseRecorder, r *http.Request) {
	h.router.metrics.observe(rec.method, h.template, rec.status, rec.end(), span)
	if h.router.log.Enabled(ctx, slog.LevelDebug) {
		h.log(trace.ContextWithSpanContext(ctx, span), rec, r, slog.LevelDebug)
	}
}

func (h *route) log(ctx context.Context, rec *responseRecorder, r *http.Request, level slog.Level) {
	attrs := make([]slog.Attr, 0, 9)
	attrs = append(attrs,
		slog.String(string(semconv.HTTPRequestMethodKey), echo(r.Method)),
		slog.String(string(semconv.HTTPRouteKey), h.template),
		slog.String(string(semconv.URLPathKey), echo(r.URL.Path)),
		slog.Int(string(semconv.HTTPResponseStatusCodeKey), rec.status),
		slog.Int(string(semconv.HTTPResponseBodySizeKey), rec.size()),
		slog.Float64("duration_seconds", rec.end().Seconds()),
	)
	if rec.err != nil {
		attrs = append(attrs, slog.String("error", rec.err.Error()))
	}
	if rec.stack != nil {
		attrs = append(attrs, slog.String(string(semconv.ExceptionStacktraceKey), string(rec.stack)))
	}
	h.router.log.LogAttrs(ctx, level, "request", attrs...)
}

// logLevel returns ERROR for a defect of the service (500, a panic), WARN for other 5xx responses and INFO for the rest.
func logLevel(rec *responseRecorder) slog.Level {
	switch {
	case rec.stack != nil || rec.status == http.StatusInternalServerError:
		return slog.LevelError
	case rec.status > http.StatusInternalServerError:
		return slog.LevelWarn
	default:
		return slog.LevelInfo
	}
}

// probeLogLevel returns ERROR for a defect and DEBUG for any other request of a
// probe, so that probes do not fill the log.
func probeLogLevel(rec *responseRecorder) slog.Level {
	if level := logLevel(rec); level == slog.LevelError {
		return level
	}
	return slog.LevelDebug
}
