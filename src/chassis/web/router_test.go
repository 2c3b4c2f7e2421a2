package web_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"tandem/src/chassis/build"
	"tandem/src/chassis/telemetry"
	"tandem/src/chassis/web"
	"tandem/src/testkit/telemetrytest"
)

func TestWhatNoRouteMatchesIsAProblemLoggedAndCountedOnce(t *testing.T) {
	const allowed = "GET, HEAD, POST"
	tests := []struct {
		method, target string
		status         int
		allow          string
	}{
		{"GET", "/", 404, ""},
		{"GET", "/nothing", 404, ""},
		{"POST", "/nothing", 404, ""},
		{"GET", "/Things", 404, ""},
		{"GET", "/things/1/2", 404, ""},
		// No redirect to a cleaned path.
		{"GET", "//things", 404, ""},
		{"GET", "/things/", 404, ""},
		{"GET", "/things/1/", 404, ""},
		{"GET", "/things//1", 404, ""},
		{"GET", "/a/../things", 404, ""},
		{"GET", "/things/./1", 404, ""},
		{"POST", "/things/", 404, ""},
		{"DELETE", "/a/../things", 404, ""},
		{"CONNECT", "//things", 404, ""},
		// Methods.
		{"DELETE", "/things", 405, allowed},
		{"PUT", "/things", 405, allowed},
		{"OPTIONS", "/things", 405, allowed},
		{"TRACE", "/things", 405, allowed},
		{"CONNECT", "/things", 405, allowed},
		{"PURGE", "/things", 405, allowed},
		{"get", "/things", 405, allowed},
		{"POST", "/things/1", 405, "GET, HEAD"},
		{"POST", "/health", 405, "GET, HEAD"},
		{"HEAD", "/nothing", 404, ""},
		// Targets that are no paths.
		{"OPTIONS", "*", 404, ""},
		{"GET", "*", 404, ""},
		{"CONNECT", "example.com:443", 404, ""},
	}
	for _, tt := range tests {
		t.Run(tt.method+" "+tt.target, func(t *testing.T) {
			s := newService(t)
			w := s.ask(tt.method, tt.target)
			members := problemOf(t, w, tt.status)
			require.Equal(t, tt.allow, w.Header().Get("Allow"))
			require.Empty(t, w.Header().Get("Location"))

			method := tt.method
			if method == "PURGE" || method == "get" {
				method = "_OTHER"
			}
			require.Equal(t, map[string]uint64{fmt.Sprint(method, " unmatched ", tt.status): 1}, s.counted(t))
			line := s.line(t)
			require.Equal(t, "INFO", line["level"])
			require.Equal(t, tt.method, line["http.request.method"])
			require.Equal(t, "unmatched", line["http.route"])
			require.EqualValues(t, tt.status, line["http.response.status_code"])
			require.Equal(t, members["trace_id"], line["trace_id"])
			require.Equal(t, members["error"], line["error"])
		})
	}
}

func TestAStarMatchesNoWildcard(t *testing.T) {
	s := newService(t)
	s.Handle("GET", "/{any}", ok)
	problemOf(t, s.ask("GET", "*"), http.StatusNotFound)
	require.Equal(t, http.StatusOK, s.ask("GET", "/x").Code)
}

func TestA405SaysWhatTheResourceAnswers(t *testing.T) {
	s := newService(t)
	members := problemOf(t, s.ask("DELETE", "/things"), http.StatusMethodNotAllowed)
	require.Equal(t, "This resource does not answer DELETE; it answers GET, HEAD, POST.", members["error"])
	require.Equal(t, "/things", members["instance"])
	require.Equal(t, "Method Not Allowed", members["title"])
}

func TestRouterMatchesDotsAsAnyOtherSegment(t *testing.T) {
	for _, target := range []string{"/things/..", "/things/."} {
		require.Equal(t, http.StatusOK, newService(t).ask("GET", target).Code, target)
	}
}

func TestRouterDecodesWhatNeedsNoEscaping(t *testing.T) {
	s := newService(t)
	require.Equal(t, http.StatusOK, s.ask("GET", "/%74hing%73").Code)
	require.Equal(t, http.StatusOK, s.ask("GET", "/%74hings/a%2Fb").Code)
	problemOf(t, s.ask("GET", "/things%2F1"), http.StatusNotFound)
	require.Equal(t, map[string]uint64{"GET /things 200": 1, "GET /things/{id} 200": 1, "GET unmatched 404": 1}, s.counted(t))
}

// otherwise each route would be reachable only if nobody changed their order.
func TestHandleRefusesAShadowedRoute(t *testing.T) {
	tests := map[string]struct {
		first, second [2]string
		refused       bool
	}{
		"same route":                               {[2]string{"GET", "/a"}, [2]string{"GET", "/a"}, true},
		"same route with another variable":         {[2]string{"GET", "/a/{id}"}, [2]string{"GET", "/a/{name}"}, true},
		"HEAD after GET":                           {[2]string{"GET", "/a"}, [2]string{"HEAD", "/a"}, true},
		"concrete path after a template":           {[2]string{"GET", "/a/{id}"}, [2]string{"GET", "/a/stats"}, true},
		"the same with another method":             {[2]string{"PATCH", "/a/{id}"}, [2]string{"GET", "/a/stats"}, true},
		"paths that overlap in part":               {[2]string{"GET", "/a/{id}"}, [2]string{"GET", "/{any}/stats"}, true},
		"longer template after a wider one":        {[2]string{"GET", "/{a}/{b}/x"}, [2]string{"GET", "/a/{b}/x"}, true},
		"another method":                           {[2]string{"GET", "/a"}, [2]string{"POST", "/a"}, false},
		"another method and variable":              {[2]string{"GET", "/a/{id}"}, [2]string{"PUT", "/a/{name}"}, false},
		"concrete path before a template":          {[2]string{"GET", "/a/stats"}, [2]string{"GET", "/a/{id}"}, false},
		"concrete path before template, PATCH":     {[2]string{"GET", "/a/stats"}, [2]string{"PATCH", "/a/{id}"}, false},
		"concrete path before two variables":       {[2]string{"GET", "/a/{id}"}, [2]string{"GET", "/{any}/{id}"}, false},
		"another length":                           {[2]string{"GET", "/{id}"}, [2]string{"GET", "/a/{id}"}, false},
		"different text beside the same variables": {[2]string{"GET", "/a/{id}/x"}, [2]string{"GET", "/a/{id}/y"}, false},
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
}

func TestHandleRefusesAPathItCannotCompare(t *testing.T) {
	for _, path := range []string{"", "a", "/a/", "//a", "/a b", "/%61", "/{id:[0-9]+}", "/x{id}", "/{id", "/{}", "/{a}/{a}"} {
		signals, _ := telemetrytest.New(t)
		router := web.NewRouter(signals, 1)
		require.Panics(t, func() { router.Handle("GET", path, ok) }, path)
		require.Empty(t, router.Routes())
	}
}

func TestHandleAddsRoutesWhileRequestsAreServed(t *testing.T) {
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
}

func TestAnEscapedPathIsOneSegment(t *testing.T) {
	for target, id := range map[string]string{
		"/things/a%2Fb": "a/b", "/things/%2e%2e": "..", "/things/%20": " ", "/things/%25": "%", "/things/ü": "ü",
	} {
		s := newService(t)
		var got string
		s.Handle("GET", "/echo/{id}/x", ok)
		s.Handle("PUT", "/things/{id}", func(w http.ResponseWriter, r *http.Request) error {
			got = web.PathValue(r, "id")
			return ok(w, r)
		})
		require.Equal(t, http.StatusOK, s.ask("PUT", target).Code, target)
		require.Equal(t, id, got)
	}
}

func TestHeadIsWhereGetIs(t *testing.T) {
	s := newService(t)
	server := s.start(t)
	for _, path := range []string{"/things", "/things/1", "/health"} {
		whole, err := get(t.Context(), t, server.URL+path)
		require.NoError(t, err)
		require.NoError(t, whole.Body.Close())
		head, err := server.Client().Head(server.URL + path)
		require.NoError(t, err)
		text, err := io.ReadAll(head.Body)
		require.NoError(t, err)
		require.NoError(t, head.Body.Close())
		require.Equal(t, http.StatusOK, head.StatusCode)
		require.Empty(t, text)
		require.Equal(t, whole.ContentLength, head.ContentLength)
		require.Equal(t, whole.Header.Get("Content-Type"), head.Header.Get("Content-Type"))
	}
	server.Close()
	require.Equal(t, map[string]uint64{
		"GET /things 200": 1, "HEAD /things 200": 1, "GET /things/{id} 200": 1, "HEAD /things/{id} 200": 1,
		"GET /health 200": 1, "HEAD /health 200": 1,
	}, s.counted(t))
}

func TestBeforeOpenAnUnknownPathIs503AndAKnownOneAnswers(t *testing.T) {
	signals, _ := telemetrytest.New(t)
	starting := web.NewRouter(signals, 1)
	starting.HandleProbe("GET", "/health", ok)
	w := httptest.NewRecorder()
	starting.ServeHTTP(w, httptest.NewRequest("GET", "/things", nil))
	members := problemOf(t, w, http.StatusServiceUnavailable)
	require.Equal(t, "1", w.Header().Get("Retry-After"))
	require.Contains(t, members["error"], "still starting")

	w = httptest.NewRecorder()
	starting.ServeHTTP(w, httptest.NewRequest("GET", "/health", nil))
	require.Equal(t, http.StatusOK, w.Code)

	starting.Open()
	w = httptest.NewRecorder()
	starting.ServeHTTP(w, httptest.NewRequest("GET", "/things", nil))
	problemOf(t, w, http.StatusNotFound)
}

func TestDrainingAsksForAnotherConnectionWithEveryAnswer(t *testing.T) {
	s := newService(t, 1)
	s.Handle("GET", "/panic", func(http.ResponseWriter, *http.Request) error { panic("boom") })
	targets := []string{"/things", "/health", "/nothing", "//things", "/panic"}
	for _, target := range targets {
		require.Empty(t, s.ask("GET", target).Header().Get("Connection"), target)
	}
	s.Drain()
	for _, target := range targets {
		require.Equal(t, "close", s.ask("GET", target).Header().Get("Connection"), target)
	}
	require.Equal(t, "close", s.ask("PURGE", "/things").Header().Get("Connection"))
}

func TestDrainingClosesTheConnectionOnceItHasAnswered(t *testing.T) {
	s := newService(t)
	server := s.start(t)
	conn, err := net.Dial("tcp", server.Listener.Addr().String())
	require.NoError(t, err)
	defer conn.Close()
	require.NoError(t, conn.SetDeadline(time.Now().Add(patience)))
	reader := bufio.NewReader(conn)
	ask := func() *http.Response {
		_, err := io.WriteString(conn, "GET /things HTTP/1.1\r\nHost: x\r\n\r\n")
		require.NoError(t, err)
		response, err := http.ReadResponse(reader, nil)
		require.NoError(t, err)
		_, err = io.Copy(io.Discard, response.Body)
		require.NoError(t, err)
		require.NoError(t, response.Body.Close())
		return response
	}
	require.False(t, ask().Close)
	s.Drain()
	require.True(t, ask().Close, "the idle connection was not cut, so this request was answered")
	_, err = reader.ReadByte()
	require.ErrorIs(t, err, io.EOF)
}

func TestBeyondTheLimitRequestsAreRefusedAndHealthAnswers(t *testing.T) {
	const places = 3
	s := newService(t, places)
	entered, release := make(chan struct{}), make(chan struct{})
	s.Handle("GET", "/slow", func(w http.ResponseWriter, r *http.Request) error {
		entered <- struct{}{}
		<-release
		return ok(w, r)
	})
	var slow sync.WaitGroup
	statuses := make(chan int, places)
	for range places {
		slow.Go(func() { statuses <- s.ask("GET", "/slow").Code })
	}
	for range places {
		<-entered
	}
	require.EqualValues(t, places, s.inFlight(t))

	for _, target := range []string{"/things", "/nothing"} {
		w := s.ask("GET", target)
		members := problemOf(t, w, http.StatusServiceUnavailable)
		require.Equal(t, "1", w.Header().Get("Retry-After"))
		require.Contains(t, members["error"], "busy")
	}
	began := time.Now()
	require.Equal(t, http.StatusOK, s.ask("GET", "/health").Code)
	require.Less(t, time.Since(began), 100*time.Millisecond)
	require.Equal(t, map[string]uint64{"GET /things 503": 1, "GET unmatched 503": 1, "GET /health 200": 1}, s.counted(t))
	for _, line := range s.log.Lines(t, "request")[:2] {
		require.Equal(t, "DEBUG", line["level"])
	}

	close(release)
	slow.Wait()
	for range places {
		require.Equal(t, http.StatusOK, <-statuses)
	}
	require.Equal(t, http.StatusOK, s.ask("GET", "/things").Code)
	require.Zero(t, s.inFlight(t))
}

func TestAPanicAnAbortAndAFailureGiveTheirPlaceBack(t *testing.T) {
	s := newService(t, 1)
	s.Handle("GET", "/panic", func(http.ResponseWriter, *http.Request) error { panic("boom") })
	s.Handle("GET", "/late-panic", func(w http.ResponseWriter, r *http.Request) error {
		_ = ok(w, r)
		panic("boom")
	})
	s.Handle("GET", "/fault", failing(errors.New("boom")))
	for range 3 {
		require.Equal(t, http.StatusInternalServerError, s.ask("GET", "/panic").Code)
		require.PanicsWithValue(t, http.ErrAbortHandler, func() { s.ask("GET", "/late-panic") })
		require.Equal(t, http.StatusInternalServerError, s.ask("GET", "/fault").Code)
		require.Equal(t, http.StatusOK, s.ask("GET", "/things").Code)
	}
	require.Zero(t, s.inFlight(t))
}

func TestAQuietRouteIsCountedButLoggedForDebuggingOnly(t *testing.T) {
	s := newService(t)
	require.Equal(t, http.StatusOK, s.ask("GET", "/health?x=1").Code)
	require.Equal(t, map[string]uint64{"GET /health 200": 1}, s.counted(t))
	require.Equal(t, "DEBUG", s.line(t)["level"])
}

func TestARequestsLineSaysWhatWasAnswered(t *testing.T) {
	s := newService(t)
	w := s.ask("GET", "/things/7?token=hush")
	line := s.line(t)
	require.Equal(t, "INFO", line["level"])
	require.Equal(t, "GET", line["http.request.method"])
	require.Equal(t, "/things/{id}", line["http.route"])
	require.Equal(t, "/things/7", line["url.path"])
	require.EqualValues(t, 200, line["http.response.status_code"])
	require.EqualValues(t, w.Body.Len(), line["http.response.body.size"])
	require.Contains(t, line, "duration_seconds")
	require.NotContains(t, line, "error")
	require.NotContains(t, line, "exception.stacktrace")
	require.NotContains(t, s.log.String(), "hush", "a query may hold what is nobody's business")
}

func TestAHandlerThatWritesNothingIsA200(t *testing.T) {
	s := newService(t)
	s.Handle("GET", "/silent", func(http.ResponseWriter, *http.Request) error { return nil })
	require.Equal(t, http.StatusOK, s.ask("GET", "/silent").Code)
	require.Equal(t, map[string]uint64{"GET /silent 200": 1}, s.counted(t))
	require.EqualValues(t, 200, s.line(t)["http.response.status_code"])
}

func TestTheConnectionCanBeReachedThroughTheRouter(t *testing.T) {
	s := newService(t)
	s.Handle("GET", "/flushed", func(w http.ResponseWriter, _ *http.Request) error {
		_, _ = io.WriteString(w, "part")
		return http.NewResponseController(w).Flush()
	})
	w := s.ask("GET", "/flushed")
	require.True(t, w.Flushed)
	require.Equal(t, map[string]uint64{"GET /flushed 200": 1}, s.counted(t))
	require.EqualValues(t, 4, s.line(t)["http.response.body.size"])
}

func TestRoutesListsEveryRoute(t *testing.T) {
	require.Equal(t, []string{"GET /things", "POST /things", "GET /things/{id}", "GET /health"}, newService(t).Routes())
}

// anyMethod draws a method of random letters, or one that every server knows.
func anyMethod(random *rand.Rand) string {
	if random.IntN(2) == 0 {
		methods := []string{"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "CONNECT", "OPTIONS", "TRACE"}
		return methods[random.IntN(len(methods))]
	}
	return text(random, "ABCXYZabcxyz0189!#$%&'*+-.^_`|~")
}

func text(random *rand.Rand, alphabet string) string {
	b := make([]byte, 1+random.IntN(20))
	for i := range b {
		b[i] = alphabet[random.IntN(len(alphabet))]
	}
	return string(b)
}

func TestNothingThatACallerChoosesBecomesALabel(t *testing.T) {
	s := newService(t)
	for _, method := range []string{"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "CONNECT", "OPTIONS", "TRACE", "ODD"} {
		for _, target := range []string{"/things", "/things/1", "/health", "/nothing"} {
			s.ask(method, target)
		}
	}
	series := func() (keys []string) {
		for key := range s.counted(t) {
			keys = append(keys, key)
		}
		return keys
	}
	before := series()
	random := rand.New(rand.NewPCG(1, 2))
	for range 2000 {
		path := "/" + text(random, "abcdef0123/.~-_:;@%")
		if random.IntN(2) == 0 {
			path = "/things" + path
		}
		method := anyMethod(random)
		r, err := parse(method, path+"?"+text(random, "abc=&%"), text(random, "abc/"), text(random, "{}[]"))
		if err != nil {
			continue // net/http refuses it
		}
		r.Header.Set("User-Agent", text(random, "abc"))
		r.Host = text(random, "abc")
		s.serve(r)
	}
	require.ElementsMatch(t, before, series())
	require.LessOrEqual(t, len(before), 40)
}

// parse reads a request as net/http does.
func parse(method, target, mediaType, body string) (*http.Request, error) {
	r, err := http.ReadRequest(bufio.NewReader(strings.NewReader(method + " " + target + " HTTP/1.1\r\nHost: x\r\n\r\n")))
	if err != nil {
		return nil, err
	}
	if mediaType != "" {
		r.Header.Set("Content-Type", mediaType)
	}
	r.Body = io.NopCloser(strings.NewReader(body))
	r.ContentLength = int64(len(body))
	return r, nil
}

// FuzzRouter: whatever is asked, a service that is well answers neither with a
// server error nor with a redirect, and never panics.
func FuzzRouter(f *testing.F) {
	for _, seed := range []struct{ method, target, mediaType, body string }{
		{"GET", "/things/1?limit=2", "", ""},
		{"POST", "/things", "application/json", `{"name": "x"}`},
		{"POST", "/things", "application/json", `{"name": 1, "name": 2}`},
		{"POST", "/things", "application/json; charset=utf-8", "[[[["},
		{"POST", "/things", "text/plain", "x"},
		{"OPTIONS", "*", "", ""},
		{"CONNECT", "example.com:443", "", ""},
		{"PURGE", "//things/../%ff/", "", "\xff"},
		{"GET", "http://example.com/things/", "", ""},
	} {
		f.Add(seed.method, seed.target, seed.mediaType, seed.body)
	}
	signals, err := telemetry.New(context.Background(), build.For("test"), "error", func(string) string { return "" }, io.Discard)
	require.NoError(f, err)
	s := serviceOf(signals, 100)
	s.Open()
	f.Fuzz(func(t *testing.T, method, target, mediaType, body string) {
		r, err := parse(method, target, mediaType, body)
		if err != nil {
			t.Skip("net/http answers this itself")
		}
		w := s.serve(r)
		require.Less(t, w.Code, 500, "%s", w.Body)
		require.False(t, w.Code >= 300 && w.Code < 400, "redirected to %s", w.Header().Get("Location"))
		if w.Code >= 400 {
			problemOf(t, w, w.Code)
		}
	})
}
