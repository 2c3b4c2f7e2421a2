package web_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"regexp"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"tandem/src/chassis/web"
	"tandem/src/testkit/telemetrytest"
)

func TestHandle(t *testing.T) {
	t.Run("panics for a shadowed route", func(t *testing.T) {
		tests := map[string]struct {
			first, second [2]string
			refused       bool
		}{
			"same route":                             {[2]string{"GET", "/a"}, [2]string{"GET", "/a"}, true},
			"same route with another variable name":  {[2]string{"GET", "/a/{id}"}, [2]string{"GET", "/a/{name}"}, true},
			"HEAD after GET":                         {[2]string{"GET", "/a"}, [2]string{"HEAD", "/a"}, true},
			"concrete path after a template":         {[2]string{"GET", "/a/{id}"}, [2]string{"GET", "/a/stats"}, true},
			"concrete path after a template, PATCH":  {[2]string{"PATCH", "/a/{id}"}, [2]string{"GET", "/a/stats"}, true},
			"paths that overlap in part":             {[2]string{"GET", "/a/{id}"}, [2]string{"GET", "/{any}/stats"}, true},
			"narrower template after a wider one":    {[2]string{"GET", "/{a}/{b}/x"}, [2]string{"GET", "/a/{b}/x"}, true},
			"another method":                         {[2]string{"GET", "/a"}, [2]string{"POST", "/a"}, false},
			"another method and variable name":       {[2]string{"GET", "/a/{id}"}, [2]string{"PUT", "/a/{name}"}, false},
			"concrete path before a template":        {[2]string{"GET", "/a/stats"}, [2]string{"GET", "/a/{id}"}, false},
			"concrete path before a template, PATCH": {[2]string{"GET", "/a/stats"}, [2]string{"PATCH", "/a/{id}"}, false},
			"narrower template before a wider one":   {[2]string{"GET", "/a/{id}"}, [2]string{"GET", "/{any}/{id}"}, false},
			"another number of segments":             {[2]string{"GET", "/{id}"}, [2]string{"GET", "/a/{id}"}, false},
			"different text after the same variable": {[2]string{"GET", "/a/{id}/x"}, [2]string{"GET", "/a/{id}/y"}, false},
		}
		for name, tt := range tests {
			t.Run(name, func(t *testing.T) {
				signals, _ := telemetrytest.New(t)
				router := web.NewRouter(signals, 1)
				router.Handle(tt.first[0], tt.first[1], ok)
				register := func() { router.Handle(tt.second[0], tt.second[1], ok) }
				want := []string{tt.first[0] + " " + tt.first[1], tt.second[0] + " " + tt.second[1]}
				if tt.refused {
					require.PanicsWithError(t, "route "+want[1]+" is shadowed by the earlier route "+want[0], register)
					want = want[:1]
				} else {
					require.NotPanics(t, register)
				}
				require.Equal(t, want, router.Routes())
			})
		}
	})

	t.Run("panics for a path that it cannot compare", func(t *testing.T) {
		for _, path := range []string{"", "a", "/a/", "//a", "/a b", "/%61", "/{id:[0-9]+}", "/x{id}", "/{id", "/{}", "/{a}/{a}"} {
			signals, _ := telemetrytest.New(t)
			router := web.NewRouter(signals, 1)
			require.Panics(t, func() { router.Handle("GET", path, ok) }, path)
			require.Empty(t, router.Routes())
		}
	})

	t.Run("adds routes while requests are served", func(t *testing.T) {
		signals, _ := telemetrytest.New(t)
		router := web.NewRouter(signals, 1)
		router.HandleProbe("GET", "/health", ok)
		done := make(chan struct{})
		var probes sync.WaitGroup
		probes.Go(func() {
			for {
				w := httptest.NewRecorder()
				router.ServeHTTP(w, httptest.NewRequest("GET", "/health", nil))
				require.Equal(t, http.StatusOK, w.Code)
				select {
				case <-done:
					return
				default:
				}
			}
		})
		for i := range 20 {
			router.Handle("GET", fmt.Sprint("/things", i), ok)
		}
		close(done)
		probes.Wait()
		require.Len(t, router.Routes(), 21)
	})

	t.Run("adds each route to Routes", func(t *testing.T) {
		require.Equal(t, []string{"GET /things", "POST /things", "GET /things/{id}", "GET /health"}, newService(t).Routes())
	})
}

func TestMatching(t *testing.T) {
	t.Run("finds the first route whose path matches, like regular expressions", func(t *testing.T) {
		templates := []string{"/", "/docs", "/a", "/a/stats", "/a/{id}", "/a/{id}/x", "/{b}/{c}/x"}
		signals, _ := telemetrytest.New(t)
		router := web.NewRouter(signals, 1)
		for _, template := range templates {
			router.Handle("GET", template, func(w http.ResponseWriter, _ *http.Request) error {
				return web.Bytes(w, http.StatusOK, "text/plain", []byte(template))
			})
		}
		router.Open()
		segment := rapid.SampledFrom([]string{"", "a", "b", "c", "docs", "stats", "x", "%2F", "%61", "%20", "%0A", "%FF", "é", "{id}", "."})
		rapid.Check(t, func(t *rapid.T) {
			path := "/" + strings.Join(rapid.SliceOfN(segment, 1, 4).Draw(t, "segments"), "/")
			want := firstMatch(templates, strings.ReplaceAll(path, "%61", "a"))
			get, remove := respond(router, "GET", path), respond(router, "DELETE", path)
			if want == "" {
				require.Equal(t, [2]int{http.StatusNotFound, http.StatusNotFound}, [2]int{get.Code, remove.Code}, path)
				return
			}
			require.Equal(t, [2]int{http.StatusOK, http.StatusMethodNotAllowed}, [2]int{get.Code, remove.Code}, path)
			require.Equal(t, want, get.Body.String(), path)
		})
	})
}

// firstMatch returns the first template that matches an escaped path, or "".
func firstMatch(templates []string, path string) string {
	for _, template := range templates {
		if regexp.MustCompile("^" + regexp.MustCompile(`\{[a-z]+\}`).ReplaceAllString(template, "[^/]+") + "$").MatchString(path) {
			return template
		}
	}
	return ""
}

func respond(router *web.Router, method, target string) *httptest.ResponseRecorder {
	rec := httptest.NewRecorder()
	router.ServeHTTP(rec, httptest.NewRequest(method, target, http.NoBody))
	return rec
}
