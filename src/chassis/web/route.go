package web

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"net/http"
	"runtime/debug"
	"strconv"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/propagation"
	"go.opentelemetry.io/otel/trace"

	"tandem/src/chassis/failure"
	"tandem/src/chassis/telemetry"
)

// route is one pattern with its handler. Span, metrics and log line of a
// request are made here, together: it is the cheapest place, and no answer can
// pass it by.
type route struct {
	router   *Router
	template string
	handler  Handler
	quiet    bool
}

// exchange is one request and what became of it.
type exchange struct {
	http.ResponseWriter
	start  time.Time
	method string // of the conventions: _OTHER where it is unknown
	status int
	bytes  int
	err    *failure.Error
	stack  []byte // of a panic
	cut    bool   // the handler failed when its answer had begun
}

func (x *exchange) WriteHeader(status int) {
	if x.status == 0 {
		x.status = status
	}
	x.ResponseWriter.WriteHeader(status)
}

func (x *exchange) Write(b []byte) (int, error) {
	if x.status == 0 {
		x.status = http.StatusOK
	}
	n, err := x.ResponseWriter.Write(b)
	x.bytes += n
	return n, err
}

// Unwrap lets http.ResponseController reach the connection.
func (x *exchange) Unwrap() http.ResponseWriter { return x.ResponseWriter }

func (rt *route) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	x := &exchange{ResponseWriter: w, start: time.Now(), method: knownMethod(r.Method)}
	switch {
	case rt.quiet:
		rt.serveQuiet(x, r)
	case rt.router.enter(r.Context()):
		rt.serveTraced(x, r)
	default:
		rt.refuse(x, r)
	}
	if x.cut {
		// An answer that broke off must not look whole.
		panic(http.ErrAbortHandler)
	}
}

func (rt *route) serveQuiet(x *exchange, r *http.Request) {
	ctx := rt.identify(r)
	rt.answer(x, r.WithContext(ctx))
	rt.record(ctx, x, r, quietLevel(x))
}

func (rt *route) serveTraced(x *exchange, r *http.Request) {
	defer rt.router.leave()
	ctx, span := rt.startSpan(r, x)
	rt.answer(x, r.WithContext(ctx))
	rt.endSpan(span, x)
	rt.record(ctx, x, r, level(x))
}

// refuse answers a request for which there is no place. It makes no span, and a
// log line only at debug level: the less a refusal costs, the more is left for
// the requests that are served.
func (rt *route) refuse(x *exchange, r *http.Request) {
	ctx := rt.identify(r)
	busy := failure.New(failure.Unavailable, "The service is busy; try again shortly.")
	rt.fail(x, r.WithContext(ctx), shown(ctx, busy)) // The caller may have left the queue.
	if x.status != http.StatusServiceUnavailable {
		rt.record(ctx, x, r, level(x))
		return
	}
	rt.record(ctx, x, r, slog.LevelDebug)
	rt.router.countRefusal()
}

// identify gives a request without a span a trace id all the same, because a
// problem names one.
func (rt *route) identify(r *http.Request) context.Context {
	ctx := rt.router.propagator.Extract(r.Context(), propagation.HeaderCarrier(r.Header))
	if trace.SpanContextFromContext(ctx).IsValid() {
		return ctx
	}
	var ids trace.SpanContextConfig
	binary.NativeEndian.PutUint64(ids.TraceID[:8], rand.Uint64())
	binary.NativeEndian.PutUint64(ids.TraceID[8:], rand.Uint64())
	binary.NativeEndian.PutUint64(ids.SpanID[:], rand.Uint64())
	return trace.ContextWithSpanContext(ctx, trace.NewSpanContext(ids))
}

func (rt *route) answer(x *exchange, r *http.Request) {
	defer rt.recoverPanic(x, r)
	if err := rt.handle(x, r); err != nil {
		rt.fail(x, r, shown(r.Context(), err))
	}
	if x.status == 0 {
		x.status = http.StatusOK // as net/http answers by itself
	}
}

func (rt *route) handle(x *exchange, r *http.Request) error {
	if fault := rt.router.fault; fault != nil && !rt.quiet {
		if err := fault(r.Context()); err != nil {
			return err
		}
	}
	return rt.handler(x, r)
}

func (rt *route) recoverPanic(x *exchange, r *http.Request) {
	value := recover()
	if value == nil {
		return
	}
	x.stack = debug.Stack()
	rt.fail(x, r, shown(context.Background(), errors.New(text(fmt.Sprintf("panic: %v", value)))))
}

// fail answers with a problem. An answer that has begun cannot become one any
// more: it is cut.
func (rt *route) fail(x *exchange, r *http.Request, f *failure.Error) {
	x.err = f
	if x.status != 0 {
		x.cut = true
		return
	}
	if err := writeProblem(x, r, f); err != nil {
		x.err = f.WithCause(err)
		x.WriteHeader(http.StatusInternalServerError)
	}
}

// record counts and logs the request.
func (rt *route) record(ctx context.Context, x *exchange, r *http.Request, at slog.Level) {
	took := time.Since(x.start)
	telemetry.Observe(rt.router.metrics.duration.WithLabelValues(x.method, rt.template, strconv.Itoa(x.status)),
		took, trace.SpanContextFromContext(ctx))
	if !rt.router.log.Enabled(ctx, at) {
		return
	}
	attrs := make([]slog.Attr, 0, 9)
	attrs = append(attrs,
		slog.String("http.request.method", r.Method),
		slog.String("http.route", rt.template),
		slog.String("url.path", r.URL.Path),
		slog.Int("http.response.status_code", x.status),
		slog.Int("http.response.body.size", x.bytes),
		slog.Float64("duration_ms", float64(took.Microseconds())/1000),
	)
	if x.err != nil {
		attrs = append(attrs, slog.String("error", x.err.Error()))
	}
	if x.stack != nil {
		attrs = append(attrs, slog.String("exception.stacktrace", string(x.stack)))
	}
	rt.router.log.LogAttrs(ctx, at, "request", attrs...)
}

// level is how severe a request's end is: a defect of ours, a refusal, or
// nothing to mention.
func level(x *exchange) slog.Level {
	switch {
	case x.stack != nil || x.cut || x.status == http.StatusInternalServerError:
		return slog.LevelError
	case x.status > http.StatusInternalServerError:
		return slog.LevelWarn
	default:
		return slog.LevelInfo
	}
}

// quietLevel keeps probes and scrapes out of the log, but not a defect in them.
func quietLevel(x *exchange) slog.Level {
	if at := level(x); at == slog.LevelError {
		return at
	}
	return slog.LevelDebug
}

// startSpan begins the server span, a child of the caller's where the request
// names one (https://opentelemetry.io/docs/specs/semconv/http/http-spans/).
func (rt *route) startSpan(r *http.Request, x *exchange) (context.Context, trace.Span) {
	ctx := rt.router.propagator.Extract(r.Context(), propagation.HeaderCarrier(r.Header))
	name := x.method
	if name == otherMethod {
		name = "HTTP"
	}
	if rt.template != Unmatched {
		name += " " + rt.template
	}
	ctx, span := rt.router.tracer.Start(ctx, name, trace.WithSpanKind(trace.SpanKindServer))
	if span.IsRecording() {
		span.SetAttributes(requestAttributes(r, x.method)...)
		if rt.template != Unmatched {
			span.SetAttributes(attribute.String("http.route", rt.template))
		}
	}
	return ctx, span
}

func (rt *route) endSpan(span trace.Span, x *exchange) {
	if span.IsRecording() {
		span.SetAttributes(attribute.Int("http.response.status_code", x.status), attribute.Int("http.response.body.size", x.bytes))
		if x.status >= http.StatusInternalServerError {
			span.SetAttributes(attribute.String("error.type", strconv.Itoa(x.status)))
			span.SetStatus(codes.Error, "")
		} else if x.cut {
			span.SetAttributes(attribute.String("error.type", "cut"))
			span.SetStatus(codes.Error, "the answer was cut")
		}
		if x.stack != nil {
			span.RecordError(x.err, trace.WithStackTrace(false))
		}
	}
	span.End()
}
