package telemetry

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/url"
	"strconv"
	"strings"

	"github.com/prometheus/client_golang/prometheus"
	"go.opentelemetry.io/otel"
	"go.opentelemetry.io/otel/exporters/otlp/otlptrace/otlptracegrpc"
	"go.opentelemetry.io/otel/exporters/otlp/otlptrace/otlptracehttp"
	"go.opentelemetry.io/otel/sdk/resource"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	semconv "go.opentelemetry.io/otel/semconv/v1.43.0"

	"tandem/src/chassis/build"
)

// newTracerProvider returns a provider that exports the spans that
// OTEL_TRACES_SAMPLER selects. Without an exporter it samples none, but still
// generates trace IDs, because log lines and problem details contain them.
func newTracerProvider(
	ctx context.Context, info build.Info, getenv func(string) string, log *slog.Logger, registry prometheus.Registerer,
) (*sdktrace.TracerProvider, error) {
	if err := checkSampler(getenv); err != nil {
		return nil, err
	}
	exporter, err := newExporter(ctx, getenv)
	if err != nil {
		return nil, err
	}
	if exporter == nil {
		return sdktrace.NewTracerProvider(sdktrace.WithSampler(sdktrace.NeverSample())), nil
	}
	res, err := resource.New(ctx, resource.WithTelemetrySDK(), resource.WithAttributes(
		semconv.ServiceName(info.Service),
		semconv.ServiceVersion(info.Version),
	), resource.WithFromEnv())
	if err != nil {
		return nil, fmt.Errorf("OTEL_RESOURCE_ATTRIBUTES: %w", err)
	}
	// The SDK reports a failed export only to this handler, which is global.
	otel.SetErrorHandler(otel.ErrorHandlerFunc(func(err error) {
		log.Warn("traces were not exported", slog.String("error", err.Error()))
	}))
	processor, err := newCountingProcessor(exporter, getenv, registry)
	if err != nil {
		return nil, err
	}
	return sdktrace.NewTracerProvider(sdktrace.WithSpanProcessor(processor), sdktrace.WithResource(res)), nil
}

// newExporter returns the OTLP exporter that the variables of the specification
// select (https://opentelemetry.io/docs/specs/otel/protocol/exporter/), or nil
// if they disable tracing or name neither an endpoint nor an exporter. The exporter
// itself reads the remaining variables from the process's environment.
func newExporter(ctx context.Context, getenv func(string) string) (sdktrace.SpanExporter, error) {
	endpoint := firstSet(getenv, "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "OTEL_EXPORTER_OTLP_ENDPOINT")
	switch name := getenv("OTEL_TRACES_EXPORTER"); {
	case name == "none", strings.EqualFold(getenv("OTEL_SDK_DISABLED"), "true"):
		return nil, nil
	case name != "" && name != "otlp":
		return nil, fmt.Errorf("OTEL_TRACES_EXPORTER=%q is not usable: give otlp or none", name)
	case name == "" && endpoint == "":
		return nil, nil
	}
	switch protocol := firstSet(getenv, "OTEL_EXPORTER_OTLP_TRACES_PROTOCOL", "OTEL_EXPORTER_OTLP_PROTOCOL"); protocol {
	case "", "http/protobuf":
		// The exporter would ignore an invalid URL and export to localhost.
		if u, err := url.Parse(endpoint); endpoint != "" && (err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https") {
			return nil, errors.New("OTEL_EXPORTER_OTLP_ENDPOINT is not usable: give a URL like http://collector:4318")
		}
		return otlptracehttp.New(ctx)
	case "grpc":
		return otlptracegrpc.New(ctx)
	default:
		return nil, fmt.Errorf("OTEL_EXPORTER_OTLP_PROTOCOL=%q is not usable: give http/protobuf or grpc", protocol)
	}
}

// firstSet returns the value of the first variable that is not empty, or the
// empty string.
func firstSet(getenv func(string) string, names ...string) string {
	for _, name := range names {
		if value := getenv(name); value != "" {
			return value
		}
	}
	return ""
}

// checkSampler returns an error for sampler variables that the SDK would
// silently replace with a default
// (https://opentelemetry.io/docs/specs/otel/configuration/sdk-environment-variables/#general-sdk-configuration).
func checkSampler(getenv func(string) string) error {
	switch sampler := getenv("OTEL_TRACES_SAMPLER"); sampler {
	case "", "always_on", "always_off", "parentbased_always_on", "parentbased_always_off":
		return nil
	case "traceidratio", "parentbased_traceidratio":
		text := getenv("OTEL_TRACES_SAMPLER_ARG")
		if ratio, err := strconv.ParseFloat(text, 64); text != "" && (err != nil || ratio < 0 || ratio > 1) {
			return fmt.Errorf("OTEL_TRACES_SAMPLER_ARG=%q is not usable: give a number from 0 to 1", text)
		}
		return nil
	default:
		return fmt.Errorf(
			"OTEL_TRACES_SAMPLER=%q is not usable: give always_on, always_off, traceidratio or one of them with the prefix parentbased_", sampler)
	}
}
