package web

import (
	"net"
	"net/http"
	"strconv"
	"strings"

	"go.opentelemetry.io/otel/attribute"
)

// otherMethod stands for every method that the conventions do not list.
const otherMethod = "_OTHER"

func knownMethod(method string) string {
	switch method {
	case http.MethodGet, http.MethodHead, http.MethodPost, http.MethodPut, http.MethodPatch,
		http.MethodDelete, http.MethodConnect, http.MethodOptions, http.MethodTrace:
		return method
	default:
		return otherMethod
	}
}

// requestAttributes describe a request by OpenTelemetry's conventions for
// server spans (https://opentelemetry.io/docs/specs/semconv/http/http-spans/#http-server).
func requestAttributes(r *http.Request, method string) []attribute.KeyValue {
	attrs := make([]attribute.KeyValue, 0, 12)
	attrs = append(attrs,
		attribute.String("http.request.method", method),
		attribute.String("url.path", text(r.URL.Path)),
		attribute.String("url.scheme", "http"),
		attribute.String("network.protocol.version", strings.TrimPrefix(r.Proto, "HTTP/")),
	)
	if method == otherMethod {
		attrs = append(attrs, attribute.String("http.request.method_original", r.Method))
	}
	if r.URL.RawQuery != "" {
		attrs = append(attrs, attribute.String("url.query", text(r.URL.RawQuery)))
	}
	if agent := r.UserAgent(); agent != "" {
		attrs = append(attrs, attribute.String("user_agent.original", text(agent)))
	}
	attrs = appendAddress(attrs, "server.address", "server.port", text(r.Host))
	return appendPeer(attrs, r.RemoteAddr)
}

// text makes what a caller sent fit for a span: one attribute that is not UTF-8
// and the exporter loses the whole batch.
func text(s string) string { return strings.ToValidUTF8(s, "\uFFFD") }

func appendPeer(attrs []attribute.KeyValue, remote string) []attribute.KeyValue {
	if host, _, err := net.SplitHostPort(remote); err == nil {
		attrs = append(attrs, attribute.String("client.address", host))
	}
	return appendAddress(attrs, "network.peer.address", "network.peer.port", remote)
}

func appendAddress(attrs []attribute.KeyValue, addressKey, portKey, hostPort string) []attribute.KeyValue {
	host, port, err := net.SplitHostPort(hostPort)
	if err != nil {
		return append(attrs, attribute.String(addressKey, hostPort))
	}
	attrs = append(attrs, attribute.String(addressKey, host))
	if n, err := strconv.Atoi(port); err == nil {
		attrs = append(attrs, attribute.Int(portKey, n))
	}
	return attrs
}
