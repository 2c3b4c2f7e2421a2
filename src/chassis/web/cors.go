package web

import (
	"net/http"
	"slices"

	"github.com/rs/cors"
)

// preflightMaxAge is the time in seconds for which a browser may remember the answer to a
// preflight. Chromium's limit is two hours; a change of CORS_ORIGINS takes effect sooner.
const preflightMaxAge = 600

// AllowOrigins lets browser applications of these origins, such as https://shop.example.com,
// call the service and read its responses (https://fetch.spec.whatwg.org/#http-cors-protocol).
// They send no credentials. Call it before the router serves requests.
func (rt *Router) AllowOrigins(origins []string) {
	if len(origins) == 0 {
		return // cors would allow all
	}
	rt.cors = cors.New(cors.Options{
		AllowedOrigins: origins,
		AllowedMethods: []string{http.MethodGet, http.MethodHead, http.MethodPost, http.MethodPatch},
		AllowedHeaders: []string{"Content-Type", "Idempotency-Key", "traceparent"},
		ExposedHeaders: []string{"Location", "Retry-After", "Idempotency-Replayed", "Server-Timing"},
		MaxAge:         preflightMaxAge,
	})
}

// allowOrigin adds the headers that let an allowed origin read the response.
func (rt *Router) allowOrigin(rec *responseRecorder, r *http.Request) {
	if rt.cors != nil && !isPreflight(r) {
		rt.cors.HandlerFunc(rec, r)
	}
}

// preflight answers a request by which a browser asks whether it may send another one, if
// origins are allowed and the path has the method of that request. It reports whether it
// has answered.
func (rt *Router) preflight(w http.ResponseWriter, r *http.Request, methods []string) bool {
	if rt.cors == nil || !isPreflight(r) || !slices.Contains(methods, r.Header.Get("Access-Control-Request-Method")) {
		return false
	}
	rt.cors.HandlerFunc(w, r)
	return true
}

func isPreflight(r *http.Request) bool {
	return r.Method == http.MethodOptions && r.Header.Get("Origin") != "" && r.Header.Get("Access-Control-Request-Method") != ""
}
