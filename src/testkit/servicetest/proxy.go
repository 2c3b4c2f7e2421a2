package servicetest

import (
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"testing"
)

// WithFaultyResponses starts a proxy in front of a service and returns its URL. For each
// request, it calls intercept, which returns true if it has written the
// response; otherwise the proxy forwards the request to the service.
func WithFaultyResponses(t testing.TB, url string, intercept func(http.ResponseWriter, *http.Request) bool) string {
	t.Helper()
	proxy := httputil.NewSingleHostReverseProxy(URL(t, url).URL)
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if !intercept(w, r) {
			proxy.ServeHTTP(w, r)
		}
	}))
	t.Cleanup(server.Close)
	return server.URL
}
