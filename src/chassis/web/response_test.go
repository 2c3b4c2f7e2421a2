package web_test

import (
	"net/http"
	"net/http/httptest"
	"net/url"
	"strconv"
	"testing"

	"github.com/gorilla/mux"
	"github.com/stretchr/testify/require"

	"tandem/src/chassis/failure"
	"tandem/src/chassis/web"
)

func TestResponse(t *testing.T) {
	t.Run("is a 500 if the value cannot be encoded", func(t *testing.T) {
		s := newService(t)
		s.Handle("GET", "/odd", func(w http.ResponseWriter, _ *http.Request) error {
			return web.JSON(w, http.StatusOK, func() {})
		})
		requireProblem(t, s.request("GET", "/odd"), http.StatusInternalServerError)
		require.Contains(t, s.logLine(t)["error"], "encode the response")
	})

	t.Run("has the headers of its media type", func(t *testing.T) {
		s := newService(t)
		s.Handle("GET", "/raw", func(w http.ResponseWriter, _ *http.Request) error {
			return web.RawJSON(w, http.StatusCreated, []byte(`{"price": 1.10}`))
		})
		s.Handle("GET", "/openapi.yaml", web.OpenAPI([]byte("openapi: 3.0.3")))
		tests := map[string]struct {
			status          int
			mediaType, body string
		}{
			"/things":       {200, "application/json", `{"ok":true}` + "\n"},
			"/raw":          {201, "application/json", `{"price": 1.10}` + "\n"},
			"/openapi.yaml": {200, "application/yaml", "openapi: 3.0.3"},
		}
		for target, want := range tests {
			w := s.request("GET", target)
			require.Equal(t, want.status, w.Code)
			require.Equal(t, want.body, w.Body.String())
			require.Equal(t, want.mediaType, w.Header().Get("Content-Type"))
			require.Equal(t, "nosniff", w.Header().Get("X-Content-Type-Options"))
			require.Equal(t, strconv.Itoa(len(want.body)), w.Header().Get("Content-Length"))
			require.Equal(t, want.mediaType == "application/json", w.Header().Get("Cache-Control") == "no-store", target)
		}
	})
}

func TestPathID(t *testing.T) {
	t.Run("accepts a canonical decimal number only", func(t *testing.T) {
		unknown := func(id any) *failure.Error { return failure.New(failure.NotFound, "none").With("id", id) }
		for text, want := range map[string]int64{"1": 1, "9223372036854775807": 9223372036854775807, "-1": -1} {
			r := mux.SetURLVars(httptest.NewRequest("GET", "/", nil), map[string]string{"id": url.PathEscape(text)})
			id, err := web.PathID(r, unknown)
			require.NoError(t, err, text)
			require.Equal(t, want, id)
		}
		for _, text := range []string{"", "x", "1.0", "1e3", "9223372036854775808", "0x1", " 1", "+1", "01"} {
			r := mux.SetURLVars(httptest.NewRequest("GET", "/", nil), map[string]string{"id": url.PathEscape(text)})
			_, err := web.PathID(r, unknown)
			require.Equal(t, unknown(text), err)
		}
	})
}
