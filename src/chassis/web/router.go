// Package web is what both services answer HTTP with: a router whose every
// answer is traced, counted and logged in one place, one way to read a
// request and one way to answer, problems included.
package web

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	"github.com/gorilla/mux"
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
	mux        atomic.Pointer[mux.Router] // replaced, not changed: see register
	log        *slog.Logger
	tracer     trace.Tracer
	propagator propagation.TextMapPropagator
	metrics    metrics
	places     chan struct{} // one for each request in flight
	waiting    chan struct{} // one for each that waits for a place
	fault      func(context.Context) error
	open       atomic.Bool
	draining   atomic.Bool
	refused    atomic.Int64 // requests, since the log last told of them
}

// NewRouter returns a router without routes that serves at most maxInFlight
// requests at once.
func NewRouter(t *telemetry.Telemetry, maxInFlight int) *Router {
	rt := &Router{
		log: t.Log, tracer: t.Tracer, propagator: t.Propagator,
		metrics: newMetrics(t.Registry), places: make(chan struct{}, maxInFlight),
		waiting: make(chan struct{}, queuePerPlace*maxInFlight),
	}
	routes := mux.NewRouter().SkipClean(true).UseEncodedPath()
	routes.NotFoundHandler = &route{router: rt, template: Unmatched, handler: rt.notFound}
	routes.MethodNotAllowedHandler = &route{router: rt, template: Unmatched, handler: rt.methodNotAllowed}
	rt.mux.Store(routes)
	return rt
}

// Handle registers the handler of a method and a path template such as
// "/users/{id}". A handler for GET also serves HEAD. Handle panics if the route
// could not be reached: a concrete path must be registered before a template
// that matches it too.
func (rt *Router) Handle(method, path string, handler Handler) {
	rt.register(method, path, &route{router: rt, handler: handler})
	rt.metrics.begin(method, path)
}

// HandleProbe registers a handler as Handle does, for probes and scrapers: its
// requests are counted, but neither limited nor traced, and they are logged at
// debug level.
func (rt *Router) HandleProbe(method, path string, handler Handler) {
	rt.register(method, path, &route{router: rt, handler: handler, quiet: true})
}

// register adds a route to a copy of the mux.Router and puts the copy in its
// place. A mux.Router must not change while it serves, but a service that is
// starting already answers probes.
func (rt *Router) register(method, path string, e *route) {
	methods := methodsOf(method)
	routes := *rt.mux.Load()
	if err := errors.Join(checkTemplate(path), checkOrder(&routes, methods, path)); err != nil {
		panic(err)
	}
	// Path goes before Methods: mux reports a method mismatch only for a path that matches.
	registered := routes.Path(path).Methods(methods...).Handler(e)
	template, err := registered.GetPathTemplate()
	if err != nil {
		panic(err)
	}
	e.template = template
	rt.mux.Store(&routes)
}

// Routes returns the method and path template of each route in the order of
// registration, such as "GET /users/{id}". HEAD is not listed.
func (rt *Router) Routes() []string {
	var all []string
	_ = rt.mux.Load().Walk(func(registered *mux.Route, _ *mux.Router, _ []*mux.Route) error {
		template, _ := registered.GetPathTemplate()
		methods, _ := registered.GetMethods()
		all = append(all, methods[0]+" "+template)
		return nil
	})
	return all
}

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
	if r.URL.RawPath != "" {
		r = normalizePath(r)
	}
	rt.mux.Load().ServeHTTP(w, r)
}

// notFound answers a request whose path matches no route.
func (rt *Router) notFound(http.ResponseWriter, *http.Request) error {
	if !rt.open.Load() {
		return failure.New(failure.Unavailable, "The service is still starting; try again shortly.")
	}
	return failure.New(failure.NotFound, "There is no such path.")
}

// methodNotAllowed answers a request whose path matches routes for other methods
// only. The Allow header lists these methods (RFC 9110, section 15.5.6).
func (rt *Router) methodNotAllowed(w http.ResponseWriter, r *http.Request) error {
	if !rt.open.Load() {
		return rt.notFound(w, r)
	}
	allow := strings.Join(rt.allowedMethods(r), ", ")
	w.Header().Set("Allow", allow)
	return failure.New(failure.MethodNotAllowed, "This resource does not answer "+r.Method+"; it answers "+allow+".")
}

// allowedMethods returns the methods of all routes that match the request's path,
// sorted.
func (rt *Router) allowedMethods(r *http.Request) []string {
	var allowed []string
	_ = rt.mux.Load().Walk(func(registered *mux.Route, _ *mux.Router, _ []*mux.Route) error {
		var match mux.RouteMatch
		if registered.Match(r, &match); match.MatchErr == mux.ErrMethodMismatch {
			methods, _ := registered.GetMethods()
			allowed = append(allowed, methods...)
		}
		return nil
	})
	slices.Sort(allowed)
	return slices.Compact(allowed)
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
func (m metrics) begin(method, route string) {
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
