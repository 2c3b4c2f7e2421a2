package telemetry

import (
	"fmt"
	"strings"

	"go.opentelemetry.io/otel/propagation"
)

// newPropagator is what OTEL_PROPAGATORS names: tracecontext and baggage where
// it names nothing
// (https://opentelemetry.io/docs/specs/otel/configuration/sdk-environment-variables/#general-sdk-configuration).
func newPropagator(getenv func(string) string) (propagation.TextMapPropagator, error) {
	names := getenv("OTEL_PROPAGATORS")
	if names == "" {
		names = "tracecontext,baggage"
	}
	var chosen []propagation.TextMapPropagator
	for _, name := range strings.Split(names, ",") {
		switch strings.TrimSpace(name) {
		case "tracecontext":
			chosen = append(chosen, propagation.TraceContext{})
		case "baggage":
			chosen = append(chosen, propagation.Baggage{})
		case "none":
		default:
			return nil, fmt.Errorf("OTEL_PROPAGATORS=%q is not usable: give tracecontext, baggage, both with a comma, or none", names)
		}
	}
	return propagation.NewCompositeTextMapPropagator(chosen...), nil
}
