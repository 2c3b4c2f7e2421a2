// Package web is the HTTP server side of both services: a router that traces,
// counts and logs every request in one place, and functions that read requests
// and write responses, including RFC 9457 problem details.
package web

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"slices"
	"strings"
	"sync/atomic"

	"github.com/gorilla/mux"
	"github.com/rs/cors"
	"go.opentelemetry.io/otel/propagation"
	"go.opentelemetry.io/otel/trace"

	"tandem/src/chassis/failure"
	"tandem/src/chassis/telemetry"
)

// Unmatched is the value of http.route in metrics and logs for requests that match
// no route. Their path must not become a label, because callers choose it.
const Unmatched = "unmatched"

// Handler responds to a request or returns an error. The router turns the error
// into a problem response and logs it; a handler does neither.
type Handler func(w http.ResponseWriter, r *http.Request) error

// Router serves the routes of a service. Until Open is called it responds with
// 503 to unknown paths, because their routes may not be registered yet.
type Router struct {
	mux        atomic.Pointer[mux.Router] // register replaces it and never modifies it
	log        *slog.Logger
	tracer     trace.Tracer
	propagator propagation.TextMapPropagator
	metrics    metrics
	spanKind   []trace.SpanStartOption
	shedder    *loadShedder
	busy       busyProblem
	fault      func(context.Context) error // set by Inject, or nil
	timing     *timingSource               // set by SendServerTiming, or nil
	cors       *cors.Cors                  // set by AllowOrigins, or nil
	open       atomic.Bool
	draining   atomic.Bool
}

// NewRouter returns a router without routes. It serves at most maxInFlight
// requests at the same time, not counting those of probes.
func NewRouter(t *telemetry.Telemetry, maxInFlight int) *Router {
	m := newMetrics(t.Registry)
	busy, err := newBusyProblem()
	if err != nil {
		panic(err) // never: it has constant text
	}
	rt := &Router{
		busy: busy,
		log:  t.Log, tracer: t.Tracer, propagator: t.Propagator,
		spanKind: []trace.SpanStartOption{trace.WithSpanKind(trace.SpanKindServer)},
		metrics:  m, shedder: newLoadShedder(maxInFlight, m.active, t.Log),
	}
	routes := mux.NewRouter().SkipClean(true).UseEncodedPath()
	routes.NotFoundHandler = &route{router: rt, template: Unmatched, handler: rt.notFound}
	routes.MethodNotAllowedHandler = &route{router: rt, template: Unmatched, handler: rt.methodNotAllowed}
	rt.mux.Store(routes)
	return rt
}

// Handle registers the handler of a method and a path template such as
// "/users/{id}". A handler for GET also serves HEAD. A concrete path goes before a
// template that matches it too, with every method: it must be registered first,
// and Handle panics if an earlier route takes requests that are meant for this one.
func (rt *Router) Handle(method, path string, handler Handler) {
	rt.register(method, path, &route{router: rt, handler: handler, takesBody: takesBody(method)})
	rt.metrics.initSeries(method, path)
}

// HandleProbe registers a handler as Handle does, for probes, scrapers and pages: the
// router counts their requests, but neither limits nor traces them, and logs
// them at debug level.
func (rt *Router) HandleProbe(method, path string, handler Handler) {
	rt.register(method, path, &route{router: rt, handler: handler, probe: true})
}

// register adds a route to a copy of the mux.Router and then uses the copy. A
// mux.Router must not change while it serves requests, and a starting service
// already serves probes.
func (rt *Router) register(method, path string, h *route) {
	methods := methodsOf(method)
	if err := errors.Join(checkTemplate(path), rt.checkOrder(methods, path)); err != nil {
		panic(err)
	}
	routes := *rt.mux.Load()
	// mux would use this route for a narrower path that does not have the method. So
	// these paths get a route that responds with 405.
	for narrower, missing := range rt.narrowerPaths(path, methods) {
		newRoute(&routes, narrower).Methods(missing...).Handler(routes.MethodNotAllowedHandler)
	}
	// The path goes before the methods: mux forgets a method mismatch as soon as the
	// first matcher of a later route matches.
	registered := newRoute(&routes, path).Methods(methods...).Handler(h)
	template, err := registered.GetPathTemplate()
	if err != nil {
		panic(err)
	}
	h.template, h.method, h.spanName = template, method, method+" "+template
	rt.mux.Store(&routes)
}

// newRoute adds a route for a path. mux compares a request with the regular expression of each
// route in turn, so that every route, such as that of a page, slows down those that come after
// it. Here mux only uses the expression if the path is known to match.
func newRoute(routes *mux.Router, template string) *mux.Route {
	prefix, _, hasVariable := strings.Cut(template, "{")
	return routes.NewRoute().MatcherFunc(func(r *http.Request, _ *mux.RouteMatch) bool {
		path := r.URL.Path // has the same segments as the escaped path: there is no escaped slash in it
		if r.URL.RawPath != "" {
			path = r.URL.EscapedPath()
		}
		if !hasVariable {
			return path == prefix
		}
		return strings.HasPrefix(path, prefix) && matchesTemplate(template, path)
	}).Path(template)
}

// Routes returns the method and path template of each route in the order of
// registration, such as "GET /users/{id}". It does not list HEAD.
func (rt *Router) Routes() []string {
	var all []string
	rt.eachRoute(func(_ *mux.Route, template string, methods []string) {
		all = append(all, methods[0]+" "+template)
	})
	return all
}

// eachRoute calls visit for each route in the order of registration, but not for
// those that only respond with 405.
func (rt *Router) eachRoute(visit func(registered *mux.Route, template string, methods []string)) {
	// Neither Walk nor the getters fail: register gives each route a path and methods.
	routes := rt.mux.Load()
	_ = routes.Walk(func(registered *mux.Route, _ *mux.Router, _ []*mux.Route) error {
		if registered.GetHandler() == routes.MethodNotAllowedHandler {
			return nil
		}
		template, _ := registered.GetPathTemplate()
		methods, _ := registered.GetMethods()
		visit(registered, template, methods)
		return nil
	})
}

// Open declares that all routes are registered: unknown paths get 404 from now on.
func (rt *Router) Open() { rt.open.Store(true) }

// Inject sets a function that runs before each handler, except those of probes, so
// that a test can inject faults. The router treats its error like an error of the
// handler. Call Inject before the router serves requests.
func (rt *Router) Inject(fault func(context.Context) error) { rt.fault = fault }

// Drain makes the router close each connection after its next response, so that
// clients connect to another pod. Unlike SetKeepAlivesEnabled(false) it does not
// close idle connections, on which a request may already be on its way.
func (rt *Router) Drain() { rt.draining.Store(true) }

// ServeHTTP dispatches the request to the route that matches it.
func (rt *Router) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if rt.draining.Load() {
		w.Header().Set("Connection", "close")
	}
	// A target such as http://host has no path, which means "/" (RFC 9110, section 4.2.3).
	if r.URL.Path == "" {
		r = withPath(r, "/", "")
	}
	// RawPath is set only if the path is escaped in an unusual way.
	if r.URL.RawPath != "" {
		r = normalizePath(r)
	}
	// mux.Router.ServeHTTP would also copy the request to keep the route in its context.
	var match mux.RouteMatch
	rt.mux.Load().Match(r, &match)                  // always matches: there are handlers for 404 and 405
	match.Handler.(*route).answer(w, r, match.Vars) //nolint:forcetypeassert // register and NewRouter give mux nothing else
}

// notFound handles requests whose path matches no route.
func (rt *Router) notFound(http.ResponseWriter, *http.Request) error {
	if !rt.open.Load() {
		return failure.New(failure.Unavailable, "The service is still starting; try again shortly.")
	}
	return failure.New(failure.NotFound, "There is no such path.")
}

// methodNotAllowed handles requests whose path matches only routes for other
// methods. The Allow header lists these methods (RFC 9110, section 15.5.6).
func (rt *Router) methodNotAllowed(w http.ResponseWriter, r *http.Request) error {
	if !rt.open.Load() {
		return rt.notFound(w, r)
	}
	methods := rt.allowedMethods(r)
	if rt.preflight(w, r, methods) {
		return nil
	}
	allow := strings.Join(methods, ", ")
	w.Header().Set("Allow", allow)
	return failure.New(failure.MethodNotAllowed, "This resource does not answer "+echo(r.Method)+"; it answers "+allow+".")
}

// allowedMethods returns the sorted methods of the path of the request: those of the
// first path template that matches, as a narrower one is registered first.
func (rt *Router) allowedMethods(r *http.Request) []string {
	var path string
	var allowed []string
	rt.eachRoute(func(_ *mux.Route, template string, methods []string) {
		if path == "" && matchesTemplate(template, r.URL.EscapedPath()) {
			path = template
		}
		if _, equivalent, _ := compareTemplates(template, path); equivalent {
			allowed = append(allowed, methods...)
		}
	})
	slices.Sort(allowed)
	return slices.Compact(allowed)
}
