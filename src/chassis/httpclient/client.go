// Package httpclient calls another service, the peer, over HTTP and limits the effect of
// the peer's failures on the caller: it balances load over all addresses of the peer's DNS
// name, retries failed attempts where that is safe, and fails fast when the peer is down.
//
// The layers of a call, outermost first: deadline of the call, circuit breaker, retries
// within a budget, balancer, deadline of one attempt, http.Transport.
//
//	call.go      the attempts of a call and the delays between them
//	attempt.go   one attempt, and the classification of its result
//	budget.go    limits the retries of all calls together
//	breaker.go   rejects calls while the peer fails
//	balancer.go  chooses an endpoint for an attempt
//	endpoint.go  latency, load and ejection of one endpoint
//	resolver.go  looks up the peer's addresses
//	transport.go sends a request and reads the response
//	telemetry.go spans and metrics
//	probe.go     health checks of the peer
//	mechanism.go what a program that is built with the tag testhooks can disable
package httpclient

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"strings"
	"time"

	"github.com/failsafe-go/failsafe-go/circuitbreaker"
	"github.com/prometheus/client_golang/prometheus"
	"go.opentelemetry.io/otel/propagation"
	"go.opentelemetry.io/otel/trace"
	tracenoop "go.opentelemetry.io/otel/trace/noop"
)

var (
	// ErrBreakerOpen means that no request was sent, because the peer has failed too often
	// in the last few seconds.
	ErrBreakerOpen = errors.New("circuit breaker is open")
	// ErrNoAddress means that the peer's name has no address at the moment: it does not
	// exist, has no records (a headless Kubernetes Service without ready pods), or no
	// lookup has succeeded yet.
	ErrNoAddress = errors.New("no address")
	// ErrBodyTooLarge means that the response body is longer than the call takes.
	ErrBodyTooLarge = errors.New("response body too large")
)

// MaxBody is the longest response body, in bytes, that Get accepts: 4 MiB.
const MaxBody = 4 << 20

// Resolver looks up the addresses of a host, as *net.Resolver does, in the networks "ip",
// "ip4" and "ip6". If a name does not exist, the error must be a *net.DNSError with
// IsNotFound: if that of each family is, the client has no endpoints. After any other error
// it keeps the last ones.
type Resolver interface {
	LookupNetIP(ctx context.Context, network, host string) ([]netip.Addr, error)
}

// Config is the configuration of a Client.
type Config struct {
	// BaseURL has a scheme (http or https), a host, and optionally a port and a path prefix.
	// The host may be an absolute DNS name with a trailing dot, which avoids the queries of
	// a DNS search list. The Host header and the TLS server name do not contain the dot.
	BaseURL *url.URL
	// Peer is the name of the other service in metrics (label server_address), errors and
	// logs.
	Peer string
	// Timeout limits a call with all its attempts and the delays between them. The
	// deadline of the context applies if it is earlier.
	Timeout time.Duration
	// AttemptTimeout limits one attempt, from the choice of an endpoint to the last byte of
	// the body. A third of Timeout leaves time for both retries.
	AttemptTimeout time.Duration
	// LookupInterval is the time between two lookups of the host; 0 means 5 s. A connection
	// error causes a lookup at once.
	LookupInterval time.Duration
	// TestHooks is empty unless the program is built with the tag testhooks.
	TestHooks

	// TLS is the base of the TLS configuration for https; nil means the system's roots.
	TLS *tls.Config
	// Resolver replaces net.DefaultResolver if not nil.
	Resolver Resolver

	// Tracer creates the client spans; nil means none. It is not called when the caller's
	// span is not sampled, because a parent-based sampler would drop the span anyway.
	Tracer trace.Tracer
	// Propagator writes the trace context into requests; nil means W3C Trace Context.
	Propagator propagation.TextMapPropagator
	// Registry receives the metrics; nil means none. It must not be used for a second
	// Client: New would panic.
	Registry prometheus.Registerer
	// Logger receives warnings and changes of the endpoints; nil means no log.
	Logger *slog.Logger
}

// withDefaults returns c with the defaults of optional fields, or an error if c is not valid.
func (c Config) withDefaults() (Config, error) {
	if c.BaseURL == nil || c.BaseURL.Hostname() == "" || c.BaseURL.Scheme != "http" && c.BaseURL.Scheme != "https" {
		return c, fmt.Errorf("httpclient: base URL %v: want http(s)://host[:port][/prefix]", redacted(c.BaseURL))
	}
	if u := c.BaseURL; u.User != nil || u.RawQuery != "" || u.ForceQuery || u.Fragment != "" {
		return c, fmt.Errorf("httpclient: base URL %v: user, query and fragment are not used", redacted(u))
	}
	if c.Timeout <= 0 || c.AttemptTimeout <= 0 {
		return c, fmt.Errorf("httpclient: timeouts must be positive, got %v and %v", c.Timeout, c.AttemptTimeout)
	}
	if err := c.validate(); err != nil {
		return c, err
	}
	if c.LookupInterval <= 0 {
		c.LookupInterval = 5 * time.Second
	}
	if c.Resolver == nil {
		c.Resolver = net.DefaultResolver
	}
	if c.Tracer == nil {
		c.Tracer = tracenoop.Tracer{}
	}
	if c.Propagator == nil {
		c.Propagator = propagation.TraceContext{}
	}
	if c.Logger == nil {
		c.Logger = slog.New(slog.DiscardHandler)
	}
	c.Logger = c.Logger.With(slog.String("peer", c.Peer))
	return c, nil
}

// redacted returns the text of a URL, which may be nil, without its password.
func redacted(u *url.URL) string {
	if u == nil {
		return "nil"
	}
	return u.Redacted()
}

// Client calls one peer. It is safe for concurrent use. The caller must close it.
type Client struct {
	peer           string
	scheme         string
	pathPrefix     string // escaped, without a slash at its end
	timeout        time.Duration
	attemptTimeout time.Duration
	maxRetries     int // per call

	breaker   circuitbreaker.CircuitBreaker[any]
	budget    retryBudget
	balancer  *balancer
	transport *transport
	telemetry *telemetry
}

// Response is a response of the peer. Its body has been read completely.
type Response struct {
	Status int
	Header http.Header
	Body   []byte
}

// New returns a Client and starts to look up the peer's addresses in the background.
// It returns an error if cfg is not valid, but not if the peer is unavailable.
func New(cfg Config) (*Client, error) {
	cfg, err := cfg.withDefaults()
	if err != nil {
		return nil, err
	}
	port, err := portOf(cfg.BaseURL)
	if err != nil {
		return nil, err
	}
	c := &Client{
		peer:           cfg.Peer,
		scheme:         cfg.BaseURL.Scheme,
		pathPrefix:     strings.TrimSuffix(cfg.BaseURL.EscapedPath(), "/"),
		timeout:        cfg.Timeout,
		attemptTimeout: cfg.AttemptTimeout,
		maxRetries:     maxRetries,
		breaker:        newBreaker(cfg),
		budget:         retryBudget{unlimited: cfg.Disabled(Budget)},
		balancer:       newBalancer(cfg, port),
		transport:      newTransport(cfg),
	}
	if cfg.Disabled(Retries) {
		c.maxRetries = 0
	}
	c.telemetry = newTelemetry(cfg, c.transport.host, c.breaker, c.balancer)
	c.balancer.start()
	return c, nil
}

// Get is GetUpTo for a body of at most MaxBody bytes.
func (c *Client) Get(ctx context.Context, route, path string) (*Response, error) {
	return c.GetUpTo(ctx, route, path, MaxBody)
}

// GetUpTo sends a GET for path, which begins with a slash and may contain a query. It returns
// the peer's response whatever its status: after the last retry that may be a 503. It
// takes a body of at most maxBody bytes, and no memory for a longer one.
//
// Route is the template of path, such as "/users/{id}". It becomes the attribute and
// label url.template, so it must not contain anything that a caller chooses.
//
// Without a response, errors.Is finds one of these: ErrBreakerOpen, ErrNoAddress,
// ErrBodyTooLarge, context.Canceled, context.DeadlineExceeded (for the caller's deadline
// and those of the Config). Any other error is the transport's, of the last attempt.
func (c *Client) GetUpTo(ctx context.Context, route, path string, maxBody int64) (*Response, error) {
	target, err := c.targetURL(path)
	if err != nil {
		return nil, err
	}
	if err := ctx.Err(); err != nil {
		return nil, c.wrapError(route, err)
	}
	if !c.breaker.TryAcquirePermit() {
		c.recordRejection(ctx)
		return nil, c.wrapError(route, ErrBreakerOpen)
	}
	result := c.callWithRetries(ctx, route, target, maxBody)
	recordResult(c.breaker, result.outcome())
	if result.err != nil {
		return nil, c.wrapError(route, result.err)
	}
	return result.response, nil
}

// Close stops the lookups and closes idle connections. It must not be called before the
// last call has returned.
func (c *Client) Close() {
	c.balancer.stop()
	c.transport.closeIdleConnections()
}

// targetURL returns the URL of path at the peer, without the host.
func (c *Client) targetURL(path string) (*url.URL, error) {
	if !strings.HasPrefix(path, "/") {
		return nil, fmt.Errorf("httpclient: path %q does not begin with a slash", path)
	}
	target, err := url.ParseRequestURI(c.pathPrefix + path)
	if err != nil {
		return nil, fmt.Errorf("httpclient: %w", err)
	}
	target.Scheme = c.scheme
	return target, nil
}

func (c *Client) wrapError(route string, err error) error {
	return fmt.Errorf("GET %s from %s: %w", route, c.peer, err)
}
