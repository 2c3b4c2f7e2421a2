// Package web is what both services answer HTTP with: a router whose every
// answer is traced, counted and logged in one place, one way to read a
// request and one way to answer, problems included.
package web

import (
	"context"
	"log/slog"
	"net/http"
	"path"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"go.opentelemetry.io/otel/propagation"
	"go.opentelemetry.io/otel/trace"

	"tandem/src/chassis/failure"
	"tandem/src/chassis/telemetry"
)

// Unmatched is the route under which requests are counted that match none: a
// path that a caller chooses must not become a label.
const Unmatched = "unmatched"

// Bounds of the queue in front of the requests in flight.
const (
	maxWait       = 200 * time.Millisecond
	queuePerPlace = 4

	refusalsEvery = time.Second
)

// Handler answers a request or returns why it could not. The router turns the
// error into a problem and logs it; a handler does neither.
type Handler func(w http.ResponseWriter, r *http.Request) error

// Router serves a service's routes. Until Open is called, paths it does not
// know are answered 503, because their routes may still come.
type Router struct {
	mux        *http.ServeMux
	log        *slog.Logger
	tracer     trace.Tracer
	propagator propagation.TextMapPropagator
	metrics    metrics
	places     chan struct{} // one for each request in flight
	waiting    chan struct{} // one for each that waits for a place
	unmatched  *route
	patterns   []string
	fault      func(context.Context) error
	open       atomic.Bool
	draining   atomic.Bool
	refused    atomic.Int64 // requests, since the log last told of them
}

// NewRouter returns a router without routes that serves at most maxInFlight
// requests at once.
func NewRouter(t *telemetry.Telemetry, maxInFlight int) *Router {
	rt := &Router{
		mux: http.NewServeMux(), log: t.Log, tracer: t.Tracer, propagator: t.Propagator,
		metrics: newMetrics(t.Registry), places: make(chan struct{}, maxInFlight),
		waiting: make(chan struct{}, queuePerPlace*maxInFlight),
	}
	rt.unmatched = &route{router: rt, template: Unmatched, handler: rt.noRoute}
	return rt
}

// Handle registers the handler of a pattern such as "GET /users/{id}"
// (https://pkg.go.dev/net/http#hdr-Patterns-ServeMux). HEAD comes with GET.
func (rt *Router) Handle(pattern string, handler Handler) {
	rt.metrics.begin(pattern)
	rt.register(pattern, &route{router: rt, template: template(pattern), handler: handler})
}

// HandleProbe registers a handler for probes and scrapers: counted like any
// other, but neither limited nor traced, and logged at debug level.
func (rt *Router) HandleProbe(pattern string, handler Handler) {
	rt.register(pattern, &route{router: rt, template: template(pattern), handler: handler, quiet: true})
}

func (rt *Router) register(pattern string, route *route) {
	rt.patterns = append(rt.patterns, pattern)
	rt.mux.Handle(pattern, route)
}

// Patterns lists every pattern that has been registered.
func (rt *Router) Patterns() []string { return rt.patterns }

// Open says that every route has been registered.
func (rt *Router) Open() { rt.open.Store(true) }

// Inject lets something happen to each request before its handler, but not to
// those of probes and scrapers. An error is answered as the handler's would be.
func (rt *Router) Inject(fault func(context.Context) error) { rt.fault = fault }

// Drain asks every client, with its next answer, to come back on another
// connection. Idle connections are not cut, unlike by SetKeepAlivesEnabled.
func (rt *Router) Drain() { rt.draining.Store(true) }

// enter takes a place for one more request in flight. Where there is none it
// waits a little, as do a bounded number of others: most callers do not come
// back before they are answered, so holding a burst costs nothing, but refusing
// it costs the processor about a sixth of serving it.
func (rt *Router) enter(ctx context.Context) bool {
	select {
	case rt.places <- struct{}{}:
	default:
		if !rt.queue(ctx) {
			return false
		}
	}
	rt.metrics.active.Inc()
	return true
}

// queue waits for a place, if the queue is not full.
func (rt *Router) queue(ctx context.Context) bool {
	select {
	case rt.waiting <- struct{}{}:
		defer func() { <-rt.waiting }()
	default:
		return false
	}
	timer := time.NewTimer(maxWait)
	defer timer.Stop()
	select {
	case rt.places <- struct{}{}:
		return true
	case <-timer.C:
	case <-ctx.Done():
	}
	return false
}

func (rt *Router) leave() {
	rt.metrics.active.Dec()
	<-rt.places
}

// countRefusal has one line a second tell of refused requests.
func (rt *Router) countRefusal() {
	if rt.refused.Add(1) == 1 {
		time.AfterFunc(refusalsEvery, func() {
			rt.log.Warn("requests were refused because the service is busy", slog.Int64("count", rt.refused.Swap(0)))
		})
	}
}

// ServeHTTP answers one request.
func (rt *Router) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if rt.draining.Load() {
		w.Header().Set("Connection", "close")
	}
	// ServeMux redirects a path that is not clean; here it matches nothing.
	if !clean(r.URL.EscapedPath()) {
		rt.unmatched.ServeHTTP(w, r)
		return
	}
	if _, pattern := rt.mux.Handler(r); pattern == "" {
		rt.unmatched.ServeHTTP(w, r)
		return
	}
	rt.mux.ServeHTTP(w, r)
}

// noRoute answers what no route matches: 405 where another method would.
func (rt *Router) noRoute(w http.ResponseWriter, r *http.Request) error {
	if !rt.open.Load() {
		return failure.New(failure.Unavailable, "The service is still starting; try again shortly.")
	}
	if clean(r.URL.EscapedPath()) {
		if allow := rt.allowed(r); allow != "" {
			w.Header().Set("Allow", allow)
			return failure.New(failure.MethodNotAllowed, "This resource does not answer "+r.Method+"; it answers "+allow+".")
		}
	}
	return failure.New(failure.NotFound, "There is no such path.")
}

// allowed lists the methods that the path answers. ServeMux tells only by the
// answer it would give.
func (rt *Router) allowed(r *http.Request) string {
	refusal, _ := rt.mux.Handler(r)
	probe := discard{http.Header{}}
	refusal.ServeHTTP(probe, r)
	return probe.Header().Get("Allow")
}

// discard is an answer of which only the header is read.
type discard struct{ header http.Header }

func (d discard) Header() http.Header         { return d.header }
func (d discard) Write(b []byte) (int, error) { return len(b), nil }
func (d discard) WriteHeader(int)             {}

func clean(p string) bool { return path.IsAbs(p) && p == path.Clean(p) }

// template is the path of a pattern, without its method.
func template(pattern string) string {
	for i := range pattern {
		if pattern[i] == '/' {
			return pattern[i:]
		}
	}
	return pattern
}

// metrics of the server, by OpenTelemetry's HTTP conventions
// (https://opentelemetry.io/docs/specs/semconv/http/http-metrics/#http-server).
type metrics struct {
	duration *prometheus.HistogramVec
	active   prometheus.Gauge
}

// begin counts a route's usual answers from zero: Prometheus sees no increase
// in a series that begins with its first observation, so that of a new pod's
// first errors it would see none.
func (m metrics) begin(pattern string) {
	method, route, _ := strings.Cut(pattern, " ")
	success := http.StatusOK
	if method == http.MethodPost {
		success = http.StatusCreated
	}
	for _, status := range []int{success, http.StatusInternalServerError, http.StatusServiceUnavailable} {
		m.duration.WithLabelValues(method, route, strconv.Itoa(status))
	}
}

func newMetrics(registry *prometheus.Registry) metrics {
	m := metrics{
		duration: prometheus.NewHistogramVec(
			telemetry.DurationOpts("http_server_request_duration_seconds", "Duration of HTTP server requests."),
			[]string{"http_request_method", "http_route", "http_response_status_code"}),
		active: prometheus.NewGauge(prometheus.GaugeOpts{
			Name: "http_server_active_requests", Help: "HTTP server requests in flight, those of probes and scrapers not counted.",
		}),
	}
	registry.MustRegister(m.duration, m.active)
	return m
}
