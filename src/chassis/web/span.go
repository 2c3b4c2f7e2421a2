package web

import (
	"context"
	"net"
	"net/http"
	"strconv"
	"strings"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/propagation"
	semconv "go.opentelemetry.io/otel/semconv/v1.43.0"
	"go.opentelemetry.io/otel/trace"
)

// otherMethod is the value of http.request.method for all methods that the
// conventions do not list.
const otherMethod = "_OTHER"

// startSpan starts the server span as a child of the caller's span, if the request
// names one. Name and attributes follow OpenTelemetry's conventions
// (https://opentelemetry.io/docs/specs/semconv/http/http-spans/#http-server).
func (h *route) startSpan(r *http.Request, rec *responseRecorder) (context.Context, trace.Span) {
	ctx := h.router.propagator.Extract(r.Context(), propagation.HeaderCarrier(r.Header))
	ctx, span := h.router.tracer.Start(ctx, h.nameSpan(rec.method), h.router.spanKind...)
	if span.IsRecording() {
		span.SetAttributes(requestAttributes(r, rec.method)...)
		if h.template != Unmatched {
			span.SetAttributes(semconv.HTTPRoute(h.template))
		}
	}
	return ctx, span
}

// nameSpan returns the name of the span of a request. method is the result of
// knownMethod.
func (h *route) nameSpan(method string) string {
	if method == h.method {
		return h.spanName
	}
	if method == otherMethod {
		method = "HTTP"
	}
	if h.template == Unmatched {
		return method
	}
	return method + " " + h.template
}

func endSpan(span trace.Span, rec *responseRecorder) {
	if span.IsRecording() {
		span.SetAttributes(semconv.HTTPResponseStatusCode(rec.status), semconv.HTTPResponseBodySize(rec.size()))
		if rec.status >= http.StatusInternalServerError {
			span.SetAttributes(semconv.ErrorTypeKey.String(strconv.Itoa(rec.status)))
			span.SetStatus(codes.Error, "")
		}
		if rec.stack != nil {
			span.RecordError(rec.err, trace.WithStackTrace(false))
		}
	}
	span.End()
}

// knownMethod returns the method, or _OTHER if the conventions do not list it.
// Methods are case-sensitive (RFC 9110, section 9.1).
func knownMethod(method string) string {
	switch method {
	case http.MethodGet, http.MethodHead, http.MethodPost, http.MethodPut, http.MethodPatch,
		http.MethodDelete, http.MethodConnect, http.MethodOptions, http.MethodTrace:
		return method
	default:
		return otherMethod
	}
}

// requestAttributes returns the span attributes of a request. method is the result
// of knownMethod.
func requestAttributes(r *http.Request, method string) []attribute.KeyValue {
	attrs := make([]attribute.KeyValue, 0, 12)
	attrs = append(attrs,
		semconv.HTTPRequestMethodKey.String(method),
		semconv.URLPath(attributeText(r.URL.Path)),
		semconv.URLScheme("http"),
		semconv.NetworkProtocolVersion(strings.TrimPrefix(r.Proto, "HTTP/")),
	)
	if method == otherMethod {
		attrs = append(attrs, semconv.HTTPRequestMethodOriginal(echo(r.Method)))
	}
	if r.URL.RawQuery != "" {
		attrs = append(attrs, semconv.URLQuery(attributeText(r.URL.RawQuery)))
	}
	if agent := r.UserAgent(); agent != "" {
		attrs = append(attrs, semconv.UserAgentOriginal(attributeText(agent)))
	}
	attrs = appendAddress(attrs, semconv.ServerAddressKey, semconv.ServerPortKey, attributeText(r.Host))
	return appendPeer(attrs, r.RemoteAddr)
}

// attributeText returns text that the caller chose as the value of an attribute.
func attributeText(text string) string { return echo(validUTF8(text)) }

// validUTF8 returns the text with each invalid byte replaced by U+FFFD. The
// exporter drops a whole batch of spans if one attribute is not UTF-8.
func validUTF8(text string) string { return strings.ToValidUTF8(text, "\uFFFD") }

// appendPeer appends the address of the client, which is always the peer of the
// connection: X-Forwarded-For is ignored, because any client can send it.
func appendPeer(attrs []attribute.KeyValue, remote string) []attribute.KeyValue {
	if host, _, err := net.SplitHostPort(remote); err == nil {
		attrs = append(attrs, semconv.ClientAddress(host))
	}
	return appendAddress(attrs, semconv.NetworkPeerAddressKey, semconv.NetworkPeerPortKey, remote)
}

// appendAddress appends the host and the port of hostPort, or hostPort itself as
// the address if it has no port.
func appendAddress(attrs []attribute.KeyValue, address, portKey attribute.Key, hostPort string) []attribute.KeyValue {
	host, port, err := net.SplitHostPort(hostPort)
	if err != nil {
		return append(attrs, address.String(hostPort))
	}
	attrs = append(attrs, address.String(host))
	if n, err := strconv.Atoi(port); err == nil {
		attrs = append(attrs, portKey.Int(n))
	}
	return attrs
}
