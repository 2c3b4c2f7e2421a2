package telemetry

import (
	"context"
	"encoding/binary"
	"math/rand/v2"

	"go.opentelemetry.io/otel/trace"
	"go.opentelemetry.io/otel/trace/embedded"
)

// passingTracer is the tracer of a process that exports nothing. Its spans record
// nothing, but have IDs, because log lines and problem details contain them. They
// continue the trace of the caller with its flags and its state: whether the caller
// and the services behind this one keep the trace is not this process's decision.
type passingTracer struct{ embedded.Tracer }

// Start returns a span that is a child of the one in ctx.
func (passingTracer) Start(ctx context.Context, _ string, options ...trace.SpanStartOption) (context.Context, trace.Span) {
	var parent trace.SpanContext
	if config := trace.NewSpanStartConfig(options...); !config.NewRoot() {
		parent = trace.SpanContextFromContext(ctx)
	}
	config := trace.SpanContextConfig{TraceID: parent.TraceID(), TraceFlags: parent.TraceFlags(), TraceState: parent.TraceState()}
	if !parent.IsValid() {
		config = trace.SpanContextConfig{}
		for !config.TraceID.IsValid() {
			binary.NativeEndian.PutUint64(config.TraceID[:8], rand.Uint64())
			binary.NativeEndian.PutUint64(config.TraceID[8:], rand.Uint64())
		}
	}
	for !config.SpanID.IsValid() {
		binary.NativeEndian.PutUint64(config.SpanID[:], rand.Uint64())
	}
	ctx = trace.ContextWithSpanContext(ctx, trace.NewSpanContext(config))
	return ctx, trace.SpanFromContext(ctx)
}
