package web_test

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"tandem/src/chassis/build"
	"tandem/src/chassis/telemetry"
	"tandem/src/chassis/web"
	"tandem/src/testkit/telemetrytest"
)

func TestRouter(t *testing.T) {
	t.Run("responds to an unmatched request with a problem, logged and counted once", func(t *testing.T) {
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
			// The path is not cleaned, and there is no redirect.
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
			// Request targets that are not a path.
			{"OPTIONS", "*", 404, ""},
			{"GET", "*", 404, ""},
			{"CONNECT", "example.com:443", 404, ""},
		}
		for _, tt := range tests {
			t.Run(tt.method+" "+tt.target, func(t *testing.T) {
				s := newService(t)
				w := s.request(tt.method, tt.target)
				members := requireProblem(t, w, tt.status)
				require.Equal(t, tt.allow, w.Header().Get("Allow"))
				require.Empty(t, w.Header().Get("Location"))

				method := tt.method
				if method == "PURGE" || method == "get" {
					method = "_OTHER"
				}
				require.Equal(t, map[string]uint64{fmt.Sprint(method, " unmatched ", tt.status): 1}, s.counts(t))
				line := s.logLine(t)
				require.Equal(t, "INFO", line["level"])
				require.Equal(t, tt.method, line["http.request.method"])
				require.Equal(t, "unmatched", line["http.route"])
				require.EqualValues(t, tt.status, line["http.response.status_code"])
				require.Equal(t, members["trace_id"], line["trace_id"])
				require.Equal(t, members["error"], line["error"])
			})
		}
	})

	t.Run("matches a concrete path before a template, whatever the method", func(t *testing.T) {
		signals, log := telemetrytest.New(t)
		s := &service{Router: web.NewRouter(signals, 1), signals: signals, log: log}
		s.Open()
		s.Handle("GET", "/things", ok)
		s.Handle("POST", "/things", ok)
		s.Handle("GET", "/things/stats", ok)
		s.Handle("GET", "/things/{id}", ok)
		s.Handle("PATCH", "/things/{id}", ok)
		s.Handle("DELETE", "/{any}/{id}", ok)
		for _, target := range []string{"/things/stats", "/things/%73tats"} {
			for _, method := range []string{"PATCH", "DELETE", "POST", "get"} {
				members := requireProblem(t, s.request(method, target), http.StatusMethodNotAllowed)
				require.Equal(t, "This resource does not answer "+method+"; it answers GET, HEAD.", members["error"])
			}
			require.Equal(t, http.StatusOK, s.request("HEAD", target).Code)
		}
		require.Equal(t, "GET, HEAD, PATCH", s.request("DELETE", "/things/1").Header().Get("Allow"))
		require.Equal(t, http.StatusOK, s.request("PATCH", "/things/1").Code)
		require.Equal(t, http.StatusOK, s.request("DELETE", "/others/stats").Code)
		// A path that no template matches is not affected.
		require.Equal(t, http.StatusMethodNotAllowed, s.request("DELETE", "/things").Code)
		require.Equal(t, "GET, HEAD, POST", s.request("DELETE", "/things").Header().Get("Allow"))
		require.EqualValues(t, 2, s.counts(t)["PATCH unmatched 405"])
	})

	t.Run("matches the target * with no variable", func(t *testing.T) {
		s := newService(t)
		s.Handle("GET", "/{any}", ok)
		requireProblem(t, s.request("GET", "*"), http.StatusNotFound)
		require.Equal(t, http.StatusOK, s.request("GET", "/x").Code)
	})

	t.Run("lists the allowed methods in a 405", func(t *testing.T) {
		s := newService(t)
		members := requireProblem(t, s.request("DELETE", "/things"), http.StatusMethodNotAllowed)
		require.Equal(t, "This resource does not answer DELETE; it answers GET, HEAD, POST.", members["error"])
		require.Equal(t, "/things", members["instance"])
		require.Equal(t, "Method Not Allowed", members["title"])
	})

	t.Run("treats . and .. like any other segment", func(t *testing.T) {
		for _, target := range []string{"/things/..", "/things/."} {
			require.Equal(t, http.StatusOK, newService(t).request("GET", target).Code, target)
		}
	})

	t.Run("decodes characters that need no escaping", func(t *testing.T) {
		s := newService(t)
		require.Equal(t, http.StatusOK, s.request("GET", "/%74hing%73").Code)
		require.Equal(t, http.StatusOK, s.request("GET", "/%74hings/a%2Fb").Code)
		requireProblem(t, s.request("GET", "/things%2F1"), http.StatusNotFound)
		require.Equal(t, map[string]uint64{"GET /things 200": 1, "GET /things/{id} 200": 1, "GET unmatched 404": 1}, s.counts(t))
	})

	t.Run("takes an escaped slash as a part of its segment", func(t *testing.T) {
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
			require.Equal(t, http.StatusOK, s.request("PUT", target).Code, target)
			require.Equal(t, id, got)
		}
	})

	t.Run("serves HEAD wherever it serves GET", func(t *testing.T) {
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
		}, s.counts(t))
	})

	t.Run("responds with 503 to an unknown path until Open is called", func(t *testing.T) {
		signals, _ := telemetrytest.New(t)
		starting := web.NewRouter(signals, 1)
		starting.HandleProbe("GET", "/health", ok)
		w := httptest.NewRecorder()
		starting.ServeHTTP(w, httptest.NewRequest("GET", "/things", nil))
		members := requireProblem(t, w, http.StatusServiceUnavailable)
		require.Equal(t, "1", w.Header().Get("Retry-After"))
		require.Contains(t, members["error"], "still starting")

		w = httptest.NewRecorder()
		starting.ServeHTTP(w, httptest.NewRequest("GET", "/health", nil))
		require.Equal(t, http.StatusOK, w.Code)

		starting.Open()
		w = httptest.NewRecorder()
		starting.ServeHTTP(w, httptest.NewRequest("GET", "/things", nil))
		requireProblem(t, w, http.StatusNotFound)
	})

	t.Run("responds with 200 if the handler writes nothing", func(t *testing.T) {
		s := newService(t)
		s.Handle("GET", "/silent", func(http.ResponseWriter, *http.Request) error { return nil })
		require.Equal(t, http.StatusOK, s.request("GET", "/silent").Code)
		require.Equal(t, map[string]uint64{"GET /silent 200": 1}, s.counts(t))
		require.EqualValues(t, 200, s.logLine(t)["http.response.status_code"])
	})

	t.Run("sends what a handler writes in parts", func(t *testing.T) {
		document := make([]byte, 4, 100)
		copy(document, "part")
		s := newService(t)
		s.Handle("GET", "/parts", func(w http.ResponseWriter, _ *http.Request) error {
			_ = web.RawJSON(w, http.StatusOK, document)
			_, err := io.WriteString(w, " two")
			return err
		})
		require.Equal(t, "part\n two", s.request("GET", "/parts").Body.String())
		require.Equal(t, make([]byte, 4), document[4:8:8], "the handler's bytes do not change")
		require.Equal(t, map[string]uint64{"GET /parts 200": 1}, s.counts(t))
		require.EqualValues(t, 9, s.logLine(t)["http.response.body.size"])
	})
}

// randomMethod returns a standard method or a random text.
func randomMethod(random *rand.Rand) string {
	if random.IntN(2) == 0 {
		methods := []string{"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "CONNECT", "OPTIONS", "TRACE"}
		return methods[random.IntN(len(methods))]
	}
	return randomText(random, "ABCXYZabcxyz0189!#$%&'*+-.^_`|~")
}

func randomText(random *rand.Rand, alphabet string) string {
	b := make([]byte, 1+random.IntN(20))
	for i := range b {
		b[i] = alphabet[random.IntN(len(alphabet))]
	}
	return string(b)
}

// parseRequest parses a request as net/http does.
func parseRequest(method, target, mediaType, body string) (*http.Request, error) {
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

// FuzzRouter checks that no request causes a 5xx, a redirect or a panic.
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
	signals, err := telemetry.New(context.Background(), build.For("test"), telemetry.LogOptions{Level: "error"},
		func(string) string { return "" }, io.Discard)
	require.NoError(f, err)
	s := newServiceWith(signals, 100)
	s.Open()
	f.Fuzz(func(t *testing.T, method, target, mediaType, body string) {
		r, err := parseRequest(method, target, mediaType, body)
		if err != nil {
			t.Skip("net/http itself rejects the request")
		}
		w := s.serve(r)
		require.Less(t, w.Code, 500, "%s", w.Body)
		require.False(t, w.Code >= 300 && w.Code < 400, "redirected to %s", w.Header().Get("Location"))
		if w.Code >= 400 {
			requireProblem(t, w, w.Code)
		}
	})
}
