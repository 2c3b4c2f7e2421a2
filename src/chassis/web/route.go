package web

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/http"
	"runtime/debug"
	"time"

	"github.com/gorilla/mux"
	"go.opentelemetry.io/otel/propagation"
	"go.opentelemetry.io/otel/trace"

	"tandem/src/chassis/connections"
	"tandem/src/chassis/failure"
)

// route serves the requests of one route. Each request passes through answer,
// even if it matches no route or is refused, and gets its span, its metrics and
// its log line there. That costs less than a chain of middleware.
type route struct {
	router    *Router
	method    string // that it is registered for; empty for 404 and 405
	template  string
	spanName  string // of requests with that method
	handler   Handler
	probe     bool
	takesBody bool
}

// ServeHTTP makes a route the http.Handler that mux matches.
func (h *route) ServeHTTP(w http.ResponseWriter, r *http.Request) { h.answer(w, r, nil) }

// answer serves a request, whose path has the given variables.
func (h *route) answer(w http.ResponseWriter, r *http.Request, vars map[string]string) {
	rec := &responseRecorder{writer: w, start: time.Now(), method: knownMethod(r.Method), vars: vars}
	h.router.allowOrigin(rec, r)
	conn := connections.Of(r.Context())
	h.serve(rec, conn, r)
	rec.send(conn)
}

func (h *route) serve(rec *responseRecorder, conn *connections.Conn, r *http.Request) {
	failed := h.receive(rec, conn, r)
	defer conn.ReleaseBody()
	if failed == nil && conn.Pipelined() {
		if h.router.shedder.awaitTurn(conn) {
			defer h.router.shedder.endTurn()
		} else {
			failed = failure.New(failure.Canceled, "The connection was closed to make room for others.")
		}
		rec.start = time.Now() // The client did not wait for a response yet.
	}
	switch {
	case h.probe:
		h.serveProbe(rec, r)
	case failed != nil:
		h.reject(rec, r, failed)
	case h.router.shedder.acquire(r.Context(), conn):
		h.serveTraced(rec, r)
	default:
		h.refuse(rec, r)
	}
}

func (h *route) serveProbe(rec *responseRecorder, r *http.Request) {
	ctx := h.ensureTraceID(r)
	h.respond(rec, r.WithContext(ctx))
	h.record(ctx, rec, r, probeLogLevel(rec))
}

func (h *route) serveTraced(rec *responseRecorder, r *http.Request) {
	defer h.router.shedder.release()
	ctx, span := h.startSpan(r, rec)
	h.respond(rec, r.WithContext(h.router.timing.begin(ctx, rec)))
	h.router.timing.end(rec)
	endSpan(span, rec)
	h.record(ctx, rec, r, logLevel(rec))
}

// reject responds to a request that failed before it could take a slot. A late body
// ends the request's context, so the context does not tell whether the caller has gone.
func (h *route) reject(rec *responseRecorder, r *http.Request, failed *failure.Error) {
	ctx, span := h.startSpan(r, rec)
	h.fail(rec, r.WithContext(ctx), failed)
	endSpan(span, rec)
	h.record(ctx, rec, r, logLevel(rec))
}

// refuse responds with 503 to a request that gets no slot. It starts no span and
// logs at debug level only.
func (h *route) refuse(rec *responseRecorder, r *http.Request) {
	if err := r.Context().Err(); errors.Is(err, context.Canceled) { // the caller has left the queue
		ctx := h.ensureTraceID(r)
		h.fail(rec, r.WithContext(ctx), toFailure(ctx, err))
		h.record(ctx, rec, r, logLevel(rec))
		return
	}
	ctx := h.router.propagator.Extract(r.Context(), propagation.HeaderCarrier(r.Header))
	span := trace.SpanContextFromContext(ctx)
	if !span.IsValid() {
		span = randomTrace()
	}
	h.router.busy.write(rec, echoPath(r.URL.EscapedPath()), span.TraceID())
	h.recordRefusal(ctx, span, rec, r)
	h.router.shedder.countRefusal()
}

// ensureTraceID returns the request's context with the trace context that the
// caller sent, or else with a random one. A request without a span needs it too:
// a problem response names the trace ID.
func (h *route) ensureTraceID(r *http.Request) context.Context {
	ctx := h.router.propagator.Extract(r.Context(), propagation.HeaderCarrier(r.Header))
	if trace.SpanContextFromContext(ctx).IsValid() {
		return ctx
	}
	return trace.ContextWithSpanContext(ctx, randomTrace())
}

// randomTrace returns a trace context with random IDs, which is not sampled.
func randomTrace() trace.SpanContext {
	var ids trace.SpanContextConfig
	binary.NativeEndian.PutUint64(ids.TraceID[:8], rand.Uint64())
	binary.NativeEndian.PutUint64(ids.TraceID[8:], rand.Uint64())
	binary.NativeEndian.PutUint64(ids.SpanID[:], rand.Uint64())
	return trace.NewSpanContext(ids)
}

// respond calls the handler and writes a problem response if the handler returns
// an error or panics.
func (h *route) respond(rec *responseRecorder, r *http.Request) {
	if len(rec.vars) > 0 {
		r = mux.SetURLVars(r, rec.vars)
	}
	defer h.recoverPanic(rec, r)
	if err := h.callHandler(rec, r); err != nil {
		h.fail(rec, r, toFailure(r.Context(), err))
	}
	if rec.status == 0 {
		rec.status = http.StatusOK // net/http sends 200 if the handler writes nothing.
	}
}

func (h *route) callHandler(rec *responseRecorder, r *http.Request) error {
	if fault := h.router.fault; fault != nil && !h.probe {
		if err := fault(r.Context()); err != nil {
			return err
		}
	}
	return h.handler(rec, r)
}

func (h *route) recoverPanic(rec *responseRecorder, r *http.Request) {
	value := recover()
	if value == nil {
		return
	}
	rec.stack = debug.Stack()
	// The request's context is not passed, because a panic is an internal error even
	// if the caller has closed the request.
	h.fail(rec, r, toFailure(context.Background(), errors.New(validUTF8(fmt.Sprintf("panic: %v", value)))))
}

// fail writes a problem response. It replaces what the handler has written.
func (h *route) fail(rec *responseRecorder, r *http.Request, f *failure.Error) {
	rec.err, rec.status, rec.body = f, 0, nil
	rec.Header().Del("Content-Encoding")
	if err := writeProblem(rec, r, f); err != nil {
		rec.err = f.WithCause(err)
		rec.WriteHeader(http.StatusInternalServerError)
	}
}
