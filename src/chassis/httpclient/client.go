// Package httpclient calls one other service over HTTP and keeps that service's
// troubles away from the caller: it balances over all addresses of the peer's DNS
// name, retries what is safe to retry, and gives up early when the peer is down.
//
// The layers of a call, outermost first: total deadline, circuit breaker, retry
// within a budget, balancer, deadline of one try, http.Transport.
//
//	call.go      a call and its tries: what is retried, and when
//	budget.go    how many retries the client may make at all
//	breaker.go   when not to call
//	balancer.go  which address to try; address.go what is known of each; resolve.go where they come from
//	transport.go one exchange on the wire
//	telemetry.go spans and metrics of it all
//	mechanism.go what a program that is built with the tag testhooks can disable, by hooks_testhooks.go
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
	// ErrBreakerOpen says that the peer failed so often of late that it was not asked.
	ErrBreakerOpen = errors.New("circuit breaker is open")
	// ErrNoAddress says that the peer's name leads nowhere at the moment: it does not
	// exist, has no address (a headless Kubernetes Service without ready pods), or
	// could not be resolved and never was before.
	ErrNoAddress = errors.New("no address")
	// ErrBodyTooLarge says that the answer's body is longer than MaxBody.
	ErrBodyTooLarge = errors.New("response body too large")
)

// MaxBody is the longest response body, in bytes, that Get accepts: 4 MiB.
const MaxBody = 4 << 20

// Resolver looks up a host's addresses, as *net.Resolver does. A name that does not
// exist is a *net.DNSError with IsNotFound; it empties the address set, while any
// other error leaves the last set in use.
type Resolver interface {
	LookupNetIP(ctx context.Context, network, host string) ([]netip.Addr, error)
}

// Config is what a Client needs to know of its peer and of the process it runs in.
type Config struct {
	// BaseURL has scheme (http or https), host, and optionally port and path prefix.
	// The host may be an absolute DNS name with a trailing dot, which spares a search
	// list its queries; Host header and TLS server name go without that dot.
	BaseURL *url.URL
	// Peer names the other service in metrics (label server_address), errors and logs.
	Peer string
	// Timeout bounds a whole call, retries and pauses included. The context's deadline
	// applies if it is sooner.
	Timeout time.Duration
	// TryTimeout bounds one try, from choosing an address to the last byte of the body.
	// A third of Timeout leaves room for both retries.
	TryTimeout time.Duration
	// ResolveEvery is how often the host is looked up anew; 0 means 5 s. A failed
	// connection causes a look-up at once.
	ResolveEvery time.Duration
	// TestHooks is empty unless the program is built with the tag testhooks.
	TestHooks

	// TLS is the base of the TLS configuration for https; nil means the system's roots.
	TLS *tls.Config
	// Resolver replaces net.DefaultResolver if not nil.
	Resolver Resolver

	// Tracer makes the client spans; nil means none. It is not asked when the caller's
	// span is not sampled, as every parent-based sampler would refuse anyway.
	Tracer trace.Tracer
	// Propagator writes the trace context into requests; nil means W3C Trace Context.
	Propagator propagation.TextMapPropagator
	// Registry receives the metrics, once: a second Client on it panics. Nil means none.
	Registry prometheus.Registerer
	// Logger receives what an operator should know; nil means silence.
	Logger *slog.Logger
}

// withDefaults fills in what may be left out and refuses what cannot work.
func (c Config) withDefaults() (Config, error) {
	if c.BaseURL == nil || c.BaseURL.Hostname() == "" || c.BaseURL.Scheme != "http" && c.BaseURL.Scheme != "https" {
		return c, fmt.Errorf("httpclient: base URL %v: want http(s)://host[:port][/prefix]", c.BaseURL)
	}
	if c.Timeout <= 0 || c.TryTimeout <= 0 {
		return c, fmt.Errorf("httpclient: timeouts must be positive, got %v and %v", c.Timeout, c.TryTimeout)
	}
	if err := c.validate(); err != nil {
		return c, err
	}
	if c.ResolveEvery <= 0 {
		c.ResolveEvery = 5 * time.Second
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
	c.Logger = c.Logger.With("peer", c.Peer)
	return c, nil
}

// Client calls one peer. It is safe for concurrent use; its Close must be called.
type Client struct {
	peer       string
	scheme     string
	prefix     string // escaped path in front of every path, without a slash at its end
	timeout    time.Duration
	tryTimeout time.Duration
	maxRetries int // per call

	breaker   circuitbreaker.CircuitBreaker[any]
	budget    budget
	balancer  *balancer
	wire      *wire
	telemetry *telemetry
}

// Response is the peer's answer, its body read to the end.
type Response struct {
	Status int
	Header http.Header
	Body   []byte
}

// New makes a Client and starts looking up the peer's addresses in the background.
// It fails on a Config that cannot work, never because the peer is away.
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
		peer:       cfg.Peer,
		scheme:     cfg.BaseURL.Scheme,
		prefix:     strings.TrimSuffix(cfg.BaseURL.EscapedPath(), "/"),
		timeout:    cfg.Timeout,
		tryTimeout: cfg.TryTimeout,
		maxRetries: maxRetries,
		breaker:    newBreaker(cfg),
		budget:     budget{unbounded: cfg.disabled(Budget)},
		balancer:   newBalancer(cfg, port),
		wire:       newWire(cfg),
	}
	if cfg.disabled(Retries) {
		c.maxRetries = 0
	}
	c.telemetry = newTelemetry(cfg, c.wire, c.breaker, c.balancer)
	c.balancer.start()
	return c, nil
}

// Get asks for path, which begins with a slash and may hold a query, and returns the
// peer's answer whatever its status: after the last retry that may be a 503.
//
// Route is the template of path, such as "/users/{id}": it becomes the attribute and
// label url.template, so it must not hold anything that a caller chooses.
//
// Without an answer the error is, to errors.Is, ErrBreakerOpen, ErrNoAddress,
// ErrBodyTooLarge, context.Canceled, context.DeadlineExceeded (whether the caller's
// deadline or one of the Config), or else the transport's error of the last try.
func (c *Client) Get(ctx context.Context, route, path string) (*Response, error) {
	target, err := c.target(path)
	if err != nil {
		return nil, err
	}
	if err := ctx.Err(); err != nil {
		return nil, c.explain(route, err)
	}
	if !c.breaker.TryAcquirePermit() {
		return nil, c.explain(route, ErrBreakerOpen)
	}
	last := c.call(ctx, route, target)
	settle(c.breaker, last.verdict())
	if last.err != nil {
		return nil, c.explain(route, last.err)
	}
	return last.response, nil
}

// Close ends the background work and closes idle connections. Calls should have ended.
func (c *Client) Close() {
	c.balancer.stop()
	c.wire.close()
}

// target is the URL of path at the peer; its host is still to be filled in.
func (c *Client) target(path string) (*url.URL, error) {
	if !strings.HasPrefix(path, "/") {
		return nil, fmt.Errorf("httpclient: path %q does not begin with a slash", path)
	}
	target, err := url.ParseRequestURI(c.prefix + path)
	if err != nil {
		return nil, fmt.Errorf("httpclient: %w", err)
	}
	target.Scheme = c.scheme
	return target, nil
}

func (c *Client) explain(route string, err error) error {
	return fmt.Errorf("GET %s from %s: %w", route, c.peer, err)
}
