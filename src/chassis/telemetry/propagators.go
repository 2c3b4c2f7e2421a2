package telemetry

import (
	"fmt"
	"strings"

	"go.opentelemetry.io/otel/propagation"
)

// newPropagator returns the propagators that OTEL_PROPAGATORS names, by default
// tracecontext and baggage
// (https://opentelemetry.io/docs/specs/otel/configuration/sdk-environment-variables/#general-sdk-configuration).
// The SDK itself does not read this variable.
func newPropagator(getenv func(string) string) (propagation.TextMapPropagator, error) {
	names := getenv("OTEL_PROPAGATORS")
	if names == "" {
		names = "tracecontext,baggage"
	}
	var propagators []propagation.TextMapPropagator
	for _, name := range strings.Split(names, ",") {
		switch strings.TrimSpace(name) {
		case "tracecontext":
			propagators = append(propagators, propagation.TraceContext{})
		case "baggage":
			propagators = append(propagators, propagation.Baggage{})
		case "none":
		default:
			return nil, fmt.Errorf("OTEL_PROPAGATORS=%q is not usable: give tracecontext, baggage, both separated by a comma, or none", names)
		}
	}
	return propagation.NewCompositeTextMapPropagator(propagators...), nil
}
