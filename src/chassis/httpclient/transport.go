package httpclient

import (
	"context"
	"crypto/tls"
	"io"
	"net"
	"net/http"
	"strings"
	"time"

	"go.opentelemetry.io/otel/propagation"
)

const (
	dialTimeout         = 250 * time.Millisecond // within a cluster a dial takes well under 1 ms
	tlsHandshakeTimeout = time.Second
	keepAlivePeriod     = 15 * time.Second
	// idleConnTimeout is shorter than the minute or more of most servers, so that a request
	// rarely meets a connection that the server is closing.
	idleConnTimeout       = 30 * time.Second
	maxIdleConnsPerHost   = 100 // for each endpoint
	maxHeaderBytes        = 64 << 10
	requestHeaderCapacity = 4 // traceparent, tracestate, baggage, and one to spare
)

// transport sends a request to an endpoint and reads the response.
type transport struct {
	host       string // value of the Host header: the peer's name, never one of its IP addresses
	base       *http.Transport
	propagator propagation.TextMapPropagator
}

func newTransport(cfg Config) *transport {
	name := cfg.BaseURL.Hostname()
	nameWithoutDot := strings.TrimSuffix(name, ".")
	tlsConfig := &tls.Config{}
	if cfg.TLS != nil {
		tlsConfig = cfg.TLS.Clone()
	}
	tlsConfig.ServerName = nameWithoutDot
	return &transport{
		host:       strings.Replace(cfg.BaseURL.Host, name, nameWithoutDot, 1),
		propagator: cfg.Propagator,
		base: &http.Transport{
			// No Proxy: the balancer chooses the endpoint, and a proxy would choose another.
			DialContext:            (&net.Dialer{Timeout: dialTimeout, KeepAlive: keepAlivePeriod}).DialContext,
			TLSClientConfig:        tlsConfig,
			TLSHandshakeTimeout:    tlsHandshakeTimeout,
			DisableKeepAlives:      cfg.Disabled(Pool),
			MaxIdleConnsPerHost:    maxIdleConnsPerHost,
			IdleConnTimeout:        idleConnTimeout,
			MaxResponseHeaderBytes: maxHeaderBytes,
			DisableCompression:     true, // the network is fast: compression costs more CPU time than it saves
		},
	}
}

// roundTrip sends the GET of an attempt to e and reads the response to its end. It returns
// a redirect like any other response.
func (t *transport) roundTrip(ctx context.Context, e *endpoint, a attempt) (*Response, error) {
	u := *a.target
	u.Host = e.hostPort
	header := make(http.Header, requestHeaderCapacity)
	t.propagator.Inject(ctx, propagation.HeaderCarrier(header))
	req := (&http.Request{Method: http.MethodGet, URL: &u, Host: t.host, Header: header}).WithContext(ctx)
	res, err := t.base.RoundTrip(req)
	if err != nil {
		return nil, err
	}
	defer res.Body.Close()
	body, err := readBody(res, a.maxBody)
	if err != nil {
		return nil, err
	}
	return &Response{Status: res.StatusCode, Header: res.Header, Body: body}, nil
}

// readBody reads the body to its end, so that the connection can be reused. The error is
// ErrBodyTooLarge if the body is longer than maxBody.
func readBody(res *http.Response, maxBody int64) ([]byte, error) {
	switch size := res.ContentLength; {
	case size > maxBody:
		return nil, ErrBodyTooLarge
	case size >= 0:
		body := make([]byte, size)
		_, err := io.ReadFull(res.Body, body)
		return body, err
	}
	body, err := io.ReadAll(io.LimitReader(res.Body, maxBody+1))
	if err == nil && int64(len(body)) > maxBody {
		err = ErrBodyTooLarge
	}
	return body, err
}

func (t *transport) closeIdleConnections() { t.base.CloseIdleConnections() }
