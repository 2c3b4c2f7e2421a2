package telemetry

import (
	"context"
	"strconv"

	"go.opentelemetry.io/contrib/propagators/b3"
	"go.opentelemetry.io/contrib/propagators/jaeger"
	"go.opentelemetry.io/otel/propagation"
	"go.opentelemetry.io/otel/trace"
)

// propagator returns the propagators that OTEL_PROPAGATORS names, by default
// tracecontext and baggage
// (https://opentelemetry.io/docs/specs/otel/configuration/sdk-environment-variables/#general-sdk-configuration).
// The SDK itself does not read this variable.
func (e *environment) propagator() propagation.TextMapPropagator {
	text := e.get("OTEL_PROPAGATORS")
	var propagators []propagation.TextMapPropagator
	none := false
	for _, name := range words(text) {
		switch name {
		case "tracecontext":
			propagators = append(propagators, traceContext{})
		case "baggage":
			propagators = append(propagators, propagation.Baggage{})
		case "b3":
			propagators = append(propagators, b3.New(b3.WithInjectEncoding(b3.B3SingleHeader)))
		case "b3multi":
			propagators = append(propagators, b3.New(b3.WithInjectEncoding(b3.B3MultipleHeader)))
		case "jaeger":
			propagators = append(propagators, jaeger.Jaeger{})
		case "none":
			none = true
		default:
			e.ignore("OTEL_PROPAGATORS: %q is not supported; supported are tracecontext, baggage, b3, b3multi, jaeger and none", name)
		}
	}
	switch {
	case none:
		propagators = nil
	case propagators == nil:
		propagators = []propagation.TextMapPropagator{traceContext{}, propagation.Baggage{}}
	}
	return propagation.NewCompositeTextMapPropagator(propagators...)
}

// traceContext is the propagator of W3C Trace Context. Unlike the SDK's, it continues
// the trace of a caller that sets flags which version 00 does not define: a receiver
// must ignore them (https://www.w3.org/TR/trace-context-2/#other-flags).
type traceContext struct{ propagation.TraceContext }

// Extract returns ctx with the span context of the caller.
func (p traceContext) Extract(ctx context.Context, carrier propagation.TextMapCarrier) context.Context {
	if parent := carrier.Get(traceparent); len(parent) == len(exampleParent) && parent[:3] == "00-" {
		number, _ := strconv.ParseUint(parent[flagsStart:], 16, 8)
		flags := trace.TraceFlags(number)
		known := flags & (trace.FlagsSampled | trace.FlagsRandom)
		if known != flags && flags.String() == parent[flagsStart:] { // not in upper case
			carrier = parentCarrier{carrier, parent[:flagsStart] + known.String()}
		}
	}
	return p.TraceContext.Extract(ctx, carrier)
}

const (
	traceparent   = "traceparent"
	exampleParent = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
	flagsStart    = len(exampleParent) - 2
)

// parentCarrier is a carrier with another traceparent.
type parentCarrier struct {
	propagation.TextMapCarrier
	parent string
}

func (c parentCarrier) Get(key string) string {
	if key == traceparent {
		return c.parent
	}
	return c.TextMapCarrier.Get(key)
}
