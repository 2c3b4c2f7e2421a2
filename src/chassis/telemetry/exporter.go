package telemetry

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"math"
	"net/url"
	"os"
	"slices"
	"strings"
	"time"

	"go.opentelemetry.io/otel/exporters/otlp/otlptrace/otlptracegrpc"
	"go.opentelemetry.io/otel/exporters/otlp/otlptrace/otlptracehttp"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/credentials/insecure"
)

// variable is the variable of a setting and its value, both empty if none is set.
type variable struct{ name, value string }

// exporterSettings are what the variables say about the OTLP exporter
// (https://opentelemetry.io/docs/specs/otel/protocol/exporter/).
type exporterSettings struct {
	wanted   bool // whether spans are exported at all
	exporter string
	protocol variable
	endpoint variable
	trust    variable
	cert     variable
	key      variable
	insecure bool
	headers  map[string]string
	gzip     bool
	timeout  time.Duration
}

// exporterSettings reads all variables of the exporter, also if nothing is exported.
func (e *environment) exporterSettings() exporterSettings {
	setting := func(suffix string) variable {
		name, value := e.exporterSetting(suffix)
		return variable{name, value}
	}
	s := exporterSettings{
		exporter: e.get("OTEL_TRACES_EXPORTER"), protocol: setting("PROTOCOL"), endpoint: setting("ENDPOINT"),
		trust: setting("CERTIFICATE"), cert: setting("CLIENT_CERTIFICATE"), key: setting("CLIENT_KEY"),
		insecure: e.boolean(e.exporterSetting("INSECURE")),
		headers:  e.headers(e.exporterSetting("HEADERS")),
		gzip:     e.gzip(e.exporterSetting("COMPRESSION")),
		timeout: time.Duration(e.number(10_000, 1, math.MaxInt32,
			"OTEL_EXPORTER_OTLP_TRACES_TIMEOUT", "OTEL_EXPORTER_OTLP_TIMEOUT")) * time.Millisecond,
	}
	names := words(s.exporter)
	s.wanted = !slices.Contains(names, "none") && (names != nil || s.endpoint.value != "")
	if slices.Contains(names, "otlp") {
		for _, name := range names {
			if name != "otlp" && name != "none" {
				e.ignore("OTEL_TRACES_EXPORTER: %q is not supported; supported are otlp and none", name)
			}
		}
	}
	return s
}

// gzip returns whether requests are compressed.
func (e *environment) gzip(name, value string) bool {
	if value != "" && value != "gzip" && value != "none" {
		e.ignore("%s=%q is neither gzip nor none: requests are not compressed", name, value)
	}
	return value == "gzip"
}

// headers returns the headers of the requests that export spans, which often are
// secret. Members that are not well-formed are left out.
func (e *environment) headers(name, text string) map[string]string {
	headers := map[string]string{}
	for i, member := range strings.Split(text, ",") {
		if strings.TrimSpace(member) == "" {
			continue
		}
		key, value, found := strings.Cut(member, "=")
		key = strings.TrimSpace(key)
		value, err := url.PathUnescape(strings.TrimSpace(value))
		if !found || err != nil || !isToken(key) || strings.ContainsFunc(value, func(r rune) bool { return r < ' ' || r > '~' }) {
			e.ignore("%s: member %d is not a header as name=value with percent escapes, and is not sent", name, i+1)
			continue
		}
		headers[key] = value
	}
	return headers
}

// isToken reports whether a text can be the name of a header (RFC 9110, section 5.6.2).
func isToken(text string) bool {
	return text != "" && !strings.ContainsFunc(text, func(r rune) bool {
		return r <= ' ' || r > '~' || strings.ContainsRune(`"(),/:;<=>?@[\]{}`, r)
	})
}

// newExporter returns the exporter, or nil if no spans are exported. The error is
// something without which spans would be lost or be sent elsewhere.
func (e *environment) newExporter(ctx context.Context, s exporterSettings) (sdktrace.SpanExporter, error) {
	if !s.wanted {
		return nil, nil
	}
	if s.exporter != "" && !slices.Contains(words(s.exporter), "otlp") {
		return nil, fmt.Errorf("OTEL_TRACES_EXPORTER=%q is not usable: give otlp or none", s.exporter)
	}
	switch s.protocol.value {
	case "", "http/protobuf":
		return e.newHTTPExporter(ctx, s, otlptracehttp.EncodingProtobuf)
	case "http/json":
		return e.newHTTPExporter(ctx, s, otlptracehttp.EncodingJSON)
	case "grpc":
		return e.newGRPCExporter(ctx, s)
	default:
		return nil, fmt.Errorf("%s=%q is not usable: give http/protobuf, http/json or grpc", s.protocol.name, s.protocol.value)
	}
}

// newHTTPExporter passes all settings as options, which precede what the exporter
// itself reads from the process's environment.
func (e *environment) newHTTPExporter(
	ctx context.Context, s exporterSettings, encoding otlptracehttp.Encoding,
) (sdktrace.SpanExporter, error) {
	to, err := e.httpEndpoint(s.endpoint.name, s.endpoint.value)
	if err != nil {
		return nil, err
	}
	config, err := e.tlsConfig(s, to.secure)
	if err != nil {
		return nil, err
	}
	compression := otlptracehttp.NoCompression
	if s.gzip {
		compression = otlptracehttp.GzipCompression
	}
	return otlptracehttp.New(ctx, otlptracehttp.WithEndpointURL(to.url), otlptracehttp.WithTLSClientConfig(config),
		otlptracehttp.WithEncoding(encoding), otlptracehttp.WithCompression(compression),
		otlptracehttp.WithHeaders(s.headers), otlptracehttp.WithTimeout(s.timeout))
}

func (e *environment) newGRPCExporter(ctx context.Context, s exporterSettings) (sdktrace.SpanExporter, error) {
	to, err := e.grpcEndpoint(s.endpoint.name, s.endpoint.value, s.insecure)
	if err != nil {
		return nil, err
	}
	config, err := e.tlsConfig(s, to.secure)
	if err != nil {
		return nil, err
	}
	transport := insecure.NewCredentials()
	if to.secure {
		transport = credentials.NewTLS(config)
	}
	options := []otlptracegrpc.Option{
		otlptracegrpc.WithEndpoint(to.target), otlptracegrpc.WithTLSCredentials(transport),
		otlptracegrpc.WithHeaders(s.headers), otlptracegrpc.WithTimeout(s.timeout),
	}
	if s.gzip {
		options = append(options, otlptracegrpc.WithCompressor("gzip"))
	}
	return otlptracegrpc.New(ctx, options...)
}

// tlsConfig returns the configuration that the certificates make, or nil for the
// system's. A certificate that cannot be read is an error, because without it spans
// would reach no collector, or one that was not meant.
func (e *environment) tlsConfig(s exporterSettings, secure bool) (*tls.Config, error) {
	if !secure {
		for _, setting := range []variable{s.trust, s.cert, s.key} {
			if setting.value != "" {
				e.ignore("%s is not used, because the connection to the collector has no TLS", setting.name)
			}
		}
		return nil, nil
	}
	config := &tls.Config{}
	if s.trust.value != "" {
		text, err := os.ReadFile(s.trust.value)
		config.RootCAs = x509.NewCertPool()
		if err == nil && !config.RootCAs.AppendCertsFromPEM(text) {
			err = errors.New("it has no certificate")
		}
		if err != nil {
			return nil, fmt.Errorf("%s=%q is not usable: give a file with PEM certificates: %w", s.trust.name, s.trust.value, err)
		}
	}
	switch {
	case s.cert.value == "" && s.key.value == "":
		return config, nil
	case s.cert.value == "":
		return nil, fmt.Errorf("%s=%q is not usable: give the certificate too", s.key.name, s.key.value)
	case s.key.value == "":
		return nil, fmt.Errorf("%s=%q is not usable: give its key too", s.cert.name, s.cert.value)
	}
	pair, err := tls.LoadX509KeyPair(s.cert.value, s.key.value)
	if err != nil {
		return nil, fmt.Errorf("%s=%q is not usable: give files with a PEM certificate and its key: %w", s.cert.name, s.cert.value, err)
	}
	config.Certificates = []tls.Certificate{pair}
	return config, nil
}
