package telemetry

import (
	"math"
	"strconv"
	"strings"

	sdktrace "go.opentelemetry.io/otel/sdk/trace"
)

// sampler returns the sampler of OTEL_TRACES_SAMPLER and OTEL_TRACES_SAMPLER_ARG, by
// default parentbased_always_on
// (https://opentelemetry.io/docs/specs/otel/configuration/sdk-environment-variables/#general-sdk-configuration).
func (e *environment) sampler() sdktrace.Sampler {
	name, arg := strings.ToLower(e.get("OTEL_TRACES_SAMPLER")), e.get("OTEL_TRACES_SAMPLER_ARG")
	root, parentBased := strings.CutPrefix(name, "parentbased_")
	var sampler sdktrace.Sampler
	switch root {
	case "always_on":
		sampler = sdktrace.AlwaysSample()
	case "always_off":
		sampler = sdktrace.NeverSample()
	case "traceidratio":
		sampler = sdktrace.TraceIDRatioBased(e.ratio(arg))
		arg = ""
	default:
		if name != "" {
			e.ignore("OTEL_TRACES_SAMPLER=%q is not supported: the default, parentbased_always_on, applies", name)
		}
		sampler, parentBased = sdktrace.AlwaysSample(), true
	}
	if arg != "" {
		e.ignore("OTEL_TRACES_SAMPLER_ARG is not used: only traceidratio and parentbased_traceidratio have an argument")
	}
	if parentBased {
		sampler = sdktrace.ParentBased(sampler)
	}
	return sampler
}

// ratio returns the share of traces to sample. The specification takes a bad one as
// not set, which means all.
func (e *environment) ratio(text string) float64 {
	if text == "" {
		return 1
	}
	ratio, err := strconv.ParseFloat(text, 64)
	if err != nil || math.IsNaN(ratio) || ratio < 0 || ratio > 1 {
		e.ignore("OTEL_TRACES_SAMPLER_ARG=%q is not a number from 0 to 1: all traces are sampled", text)
		return 1
	}
	return ratio
}

// spanLimits returns what a span holds at most.
func (e *environment) spanLimits() sdktrace.SpanLimits {
	limit := func(unset int, names ...string) int { return e.number(unset, 0, math.MaxInt32, names...) }
	return sdktrace.SpanLimits{
		AttributeValueLengthLimit: limit(sdktrace.DefaultAttributeValueLengthLimit,
			"OTEL_SPAN_ATTRIBUTE_VALUE_LENGTH_LIMIT", "OTEL_ATTRIBUTE_VALUE_LENGTH_LIMIT"),
		AttributeValueDepthLimit: sdktrace.DefaultAttributeValueDepthLimit,
		AttributeCountLimit: limit(sdktrace.DefaultAttributeCountLimit,
			"OTEL_SPAN_ATTRIBUTE_COUNT_LIMIT", "OTEL_ATTRIBUTE_COUNT_LIMIT"),
		EventCountLimit:             limit(sdktrace.DefaultEventCountLimit, "OTEL_SPAN_EVENT_COUNT_LIMIT"),
		LinkCountLimit:              limit(sdktrace.DefaultLinkCountLimit, "OTEL_SPAN_LINK_COUNT_LIMIT"),
		AttributePerEventCountLimit: limit(sdktrace.DefaultAttributePerEventCountLimit, "OTEL_EVENT_ATTRIBUTE_COUNT_LIMIT"),
		AttributePerLinkCountLimit:  limit(sdktrace.DefaultAttributePerLinkCountLimit, "OTEL_LINK_ATTRIBUTE_COUNT_LIMIT"),
	}
}
