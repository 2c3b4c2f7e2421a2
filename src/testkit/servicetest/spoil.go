package servicetest

import (
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"testing"
)

// Spoiled stands in front of a service and answers by spoil what spoil takes on;
// it returns the URL. Spoil reports whether it has answered.
func Spoiled(t testing.TB, url string, spoil func(http.ResponseWriter, *http.Request) bool) string {
	t.Helper()
	proxy := httputil.NewSingleHostReverseProxy(URL(t, url).URL)
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if !spoil(w, r) {
			proxy.ServeHTTP(w, r)
		}
	}))
	t.Cleanup(server.Close)
	return server.URL
}
