package httpclient

import (
	"context"
	"crypto/tls"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"
	"time"

	"go.opentelemetry.io/otel/propagation"
)

const (
	dialTimeout    = 250 * time.Millisecond // within a cluster a dial takes well under 1 ms
	tlsTimeout     = time.Second
	keepAlive      = 15 * time.Second
	idleTimeout    = 30 * time.Second // shorter than a server's usual minute, which avoids most races with its close
	idlePerAddress = 100
	maxHeader      = 64 << 10 // bytes
	requestHeaders = 4        // traceparent, tracestate, baggage, and one to spare
)

// wire makes one exchange of request and response with an address.
type wire struct {
	host       string // Host header: the name, never the address
	transport  *http.Transport
	propagator propagation.TextMapPropagator
}

func newWire(cfg Config) *wire {
	name := cfg.BaseURL.Hostname()
	undotted := strings.TrimSuffix(name, ".")
	tlsConfig := &tls.Config{}
	if cfg.TLS != nil {
		tlsConfig = cfg.TLS.Clone()
	}
	tlsConfig.ServerName = undotted
	return &wire{
		host:       strings.Replace(cfg.BaseURL.Host, name, undotted, 1),
		propagator: cfg.Propagator,
		transport: &http.Transport{
			// No Proxy: addresses are dialled, and a proxy would choose them itself.
			DialContext:            (&net.Dialer{Timeout: dialTimeout, KeepAlive: keepAlive}).DialContext,
			TLSClientConfig:        tlsConfig,
			TLSHandshakeTimeout:    tlsTimeout,
			DisableKeepAlives:      cfg.disabled(Pool),
			MaxIdleConnsPerHost:    idlePerAddress,
			IdleConnTimeout:        idleTimeout,
			MaxResponseHeaderBytes: maxHeader,
			DisableCompression:     true, // the peer is near; its CPU costs more than the bytes
		},
	}
}

// exchange sends a GET for target to a and reads the answer to its end. Redirects are
// answers like any other.
func (w *wire) exchange(ctx context.Context, a *address, target *url.URL) (*Response, error) {
	u := *target
	u.Host = a.hostPort
	header := make(http.Header, requestHeaders)
	w.propagator.Inject(ctx, propagation.HeaderCarrier(header))
	req := (&http.Request{Method: http.MethodGet, URL: &u, Host: w.host, Header: header}).WithContext(ctx)
	res, err := w.transport.RoundTrip(req)
	if err != nil {
		return nil, err
	}
	defer res.Body.Close()
	body, err := readBody(res)
	if err != nil {
		return nil, err
	}
	return &Response{Status: res.StatusCode, Header: res.Header, Body: body}, nil
}

// readBody reads up to the end, without which the connection could not be used again.
func readBody(res *http.Response) ([]byte, error) {
	switch size := res.ContentLength; {
	case size > MaxBody:
		return nil, ErrBodyTooLarge
	case size >= 0:
		body := make([]byte, size)
		_, err := io.ReadFull(res.Body, body)
		return body, err
	}
	body, err := io.ReadAll(io.LimitReader(res.Body, MaxBody+1))
	if err == nil && len(body) > MaxBody {
		err = ErrBodyTooLarge
	}
	return body, err
}

func (w *wire) close() {
	w.transport.CloseIdleConnections()
}
