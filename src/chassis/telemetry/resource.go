package telemetry

import (
	"context"
	"net/url"
	"strings"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/sdk/resource"
	semconv "go.opentelemetry.io/otel/semconv/v1.43.0"

	"tandem/src/chassis/build"
)

// resourceAttributes returns what OTEL_SERVICE_NAME and OTEL_RESOURCE_ATTRIBUTES say
// about the process, with the name and the version of the binary where they say
// nothing. Members that are well-formed count even if others are not.
func (e *environment) resourceAttributes(info build.Info) map[string]string {
	attrs := map[string]string{string(semconv.ServiceNameKey): info.Service, string(semconv.ServiceVersionKey): info.Version}
	for i, member := range strings.Split(e.get("OTEL_RESOURCE_ATTRIBUTES"), ",") {
		if member = strings.TrimSpace(member); member == "" {
			continue
		}
		key, text, found := strings.Cut(member, "=")
		if key = strings.TrimSpace(key); key == "" || !found {
			e.ignore("OTEL_RESOURCE_ATTRIBUTES: member %d is not key=value and is left out", i+1)
			continue
		}
		text = strings.TrimSpace(text)
		value, err := url.PathUnescape(text)
		if err != nil {
			e.ignore("OTEL_RESOURCE_ATTRIBUTES: the value of %q has a bad percent escape and stays as it is", key)
			value = text
		}
		// Otherwise the exporter would drop every batch of spans.
		attrs[strings.ToValidUTF8(key, "\uFFFD")] = strings.ToValidUTF8(value, "\uFFFD")
	}
	if name := e.get("OTEL_SERVICE_NAME"); name != "" {
		attrs[string(semconv.ServiceNameKey)] = strings.ToValidUTF8(name, "\uFFFD")
	}
	return attrs
}

// newResource returns the resource of the spans.
func newResource(ctx context.Context, attrs map[string]string) (*resource.Resource, error) {
	var all []attribute.KeyValue
	for key, value := range attrs {
		all = append(all, attribute.String(key, value))
	}
	return resource.New(ctx, resource.WithTelemetrySDK(), resource.WithAttributes(all...))
}
