package telemetry

import (
	"fmt"
	"net"
	"net/url"
	"strconv"
	"strings"
)

// Ports of the schemes, which gRPC does not know.
const (
	httpPort  = "80"
	httpsPort = "443"
)

// endpoint is where spans are sent to.
type endpoint struct {
	url    string // for HTTP
	target string // for gRPC
	secure bool   // whether the connection uses TLS
}

// httpEndpoint returns the endpoint for HTTP, by default a collector on this machine.
// The exporter would ignore a bad URL and send spans to localhost: so that is an error.
func (e *environment) httpEndpoint(name, text string) (endpoint, error) {
	if text == "" {
		return endpoint{url: "http://localhost:4318/v1/traces"}, nil
	}
	u, secure, err := parseEndpoint(name, text)
	if err != nil {
		return endpoint{}, err
	}
	e.noteUnusedParts(name, u)
	switch {
	case !strings.HasSuffix(name, "TRACES_ENDPOINT"):
		u = u.JoinPath("v1/traces")
	case u.Path == "":
		e.ignore("%s has no path, so that spans are sent to /; collectors receive them at /v1/traces", name)
		u.Path = "/"
	}
	// The exporter takes only the lower-case scheme as https.
	return endpoint{url: (&url.URL{Scheme: strings.ToLower(u.Scheme), Host: u.Host, Path: u.Path}).String(), secure: secure}, nil
}

// grpcEndpoint returns the endpoint for gRPC, by default a collector on this machine. The
// text is a URL or a target of gRPC (https://grpc.io/docs/guides/custom-name-resolution/)
// with a port; for a target, insecure says whether the connection goes without TLS.
func (e *environment) grpcEndpoint(name, text string, insecure bool) (endpoint, error) {
	if text == "" {
		return endpoint{target: "localhost:4317"}, nil
	}
	scheme, rest, _ := strings.Cut(text, ":")
	switch strings.ToLower(scheme) {
	case "dns", "passthrough":
		if _, port, err := net.SplitHostPort(rest[strings.LastIndex(rest, "/")+1:]); err == nil && port != "" {
			return endpoint{target: text, secure: !insecure}, nil
		}
		return endpoint{}, fmt.Errorf("%s is not usable: give a target with a port, like dns:///collector:4317", name)
	case "unix", "unix-abstract":
		return endpoint{target: text}, nil
	}
	if host, port, err := net.SplitHostPort(text); err == nil && host != "" && isPort(port) {
		return endpoint{target: text, secure: !insecure}, nil
	}
	u, secure, err := parseEndpoint(name, text)
	if err != nil {
		return endpoint{}, err
	}
	e.noteUnusedParts(name, u)
	if u.Path != "" && u.Path != "/" {
		e.ignore("%s: gRPC has no path, so that the one of the URL is not used", name)
	}
	port := u.Port()
	switch {
	case port != "":
	case secure:
		port = httpsPort
	default:
		port = httpPort
	}
	return endpoint{target: net.JoinHostPort(u.Hostname(), port), secure: secure}, nil
}

// parseEndpoint returns the URL and whether it is https. The error does not have the
// text, which may have a password.
func parseEndpoint(name, text string) (u *url.URL, secure bool, err error) {
	u, err = url.Parse(text)
	if err == nil && u.Hostname() != "" && (u.Port() == "" || isPort(u.Port())) {
		switch strings.ToLower(u.Scheme) {
		case "http":
			return u, false, nil
		case "https":
			return u, true, nil
		}
	}
	return nil, false, fmt.Errorf("%s is not usable: give a URL like http://collector:4318", name)
}

func isPort(text string) bool {
	port, err := strconv.ParseUint(text, 10, 16)
	return err == nil && port > 0
}

// noteUnusedParts keeps a sentence about parts of a URL that the exporter does not use.
func (e *environment) noteUnusedParts(name string, u *url.URL) {
	if u.User != nil {
		e.ignore("%s: user and password are not used; OTEL_EXPORTER_OTLP_HEADERS can have an Authorization", name)
	}
	if u.RawQuery != "" || u.Fragment != "" {
		e.ignore("%s: the query and the fragment are not used", name)
	}
}
