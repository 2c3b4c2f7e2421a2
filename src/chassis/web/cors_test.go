package web_test

import (
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/stretchr/testify/require"
)

const shop = "https://shop.example.com"

// preflight asks whether an origin may send a request.
func preflight(s *service, origin, method, path string, headers ...string) *httptest.ResponseRecorder {
	r := httptest.NewRequest(http.MethodOptions, path, nil)
	r.Header.Set("Origin", origin)
	r.Header.Set("Access-Control-Request-Method", method)
	if len(headers) > 0 {
		r.Header.Set("Access-Control-Request-Headers", headers[0])
	}
	return s.serve(r)
}

func TestAllowOrigins(t *testing.T) {
	newShop := func(t *testing.T) *service {
		s := newService(t)
		s.AllowOrigins([]string{shop, "http://localhost:3000"})
		return s
	}

	t.Run("a named origin may send what the routes take, and read the answer", func(t *testing.T) {
		s := newShop(t)
		for _, method := range []string{"GET", "POST"} {
			response := preflight(s, shop, method, "/things", "content-type,idempotency-key,traceparent")
			require.Equal(t, http.StatusNoContent, response.Code)
			require.Empty(t, response.Body.String())
			require.Equal(t, shop, response.Header().Get("Access-Control-Allow-Origin"))
			require.Equal(t, method, response.Header().Get("Access-Control-Allow-Methods"))
			require.Equal(t, "content-type,idempotency-key,traceparent", response.Header().Get("Access-Control-Allow-Headers"))
			require.Equal(t, "600", response.Header().Get("Access-Control-Max-Age"))
			require.Contains(t, response.Header().Get("Vary"), "Origin")
			require.Empty(t, response.Header().Get("Access-Control-Allow-Credentials"))
		}
		response := s.serve(newGet("/things", "Origin", shop))
		require.Equal(t, shop, response.Header().Get("Access-Control-Allow-Origin"))
		require.Equal(t, "Location, Retry-After, Idempotency-Replayed, Server-Timing", response.Header().Get("Access-Control-Expose-Headers"))
		require.Equal(t, "Origin", response.Header().Get("Vary"))
	})

	t.Run("it may read problems, too", func(t *testing.T) {
		s := newShop(t)
		for _, path := range []string{"/nope", "/things/1"} {
			require.Equal(t, shop, s.serve(newGet(path, "Origin", shop)).Header().Get("Access-Control-Allow-Origin"), path)
		}
	})

	t.Run("every answer says that it depends on the origin", func(t *testing.T) {
		require.Equal(t, "Origin", newShop(t).request("GET", "/things").Header().Get("Vary"))
	})

	t.Run("no other origin, header, method or path is allowed", func(t *testing.T) {
		s := newShop(t)
		for name, response := range map[string]*httptest.ResponseRecorder{
			"origin": preflight(s, "https://evil.example.com", "POST", "/things"), "suffix": preflight(s, shop+".evil", "POST", "/things"),
			"header": preflight(s, shop, "POST", "/things", "x-secret"), "null": preflight(s, "null", "POST", "/things"),
			"method": preflight(s, shop, "DELETE", "/things"), "path": preflight(s, shop, "GET", "/nope"),
		} {
			require.Empty(t, response.Header().Get("Access-Control-Allow-Methods"), name)
			require.Empty(t, response.Header().Get("Access-Control-Allow-Headers"), name)
			require.Empty(t, response.Header().Get("Access-Control-Allow-Origin"), name)
		}
		require.Equal(t, http.StatusMethodNotAllowed, preflight(s, shop, "DELETE", "/things").Code)
		require.Equal(t, http.StatusNotFound, preflight(s, shop, "GET", "/nope").Code)
		require.Empty(t, s.serve(newGet("/things", "Origin", "https://evil.example.com")).Header().Get("Access-Control-Allow-Origin"))
	})

	t.Run("without named origins nothing changes", func(t *testing.T) {
		s := newService(t)
		s.AllowOrigins(nil)
		response := preflight(s, shop, "POST", "/things")
		require.Equal(t, http.StatusMethodNotAllowed, response.Code)
		require.Empty(t, response.Header().Get("Vary"))
		require.Empty(t, s.serve(newGet("/things", "Origin", shop)).Header().Get("Access-Control-Allow-Origin"))
	})

	t.Run("a preflight is counted and logged like any answer", func(t *testing.T) {
		s := newShop(t)
		preflight(s, shop, "POST", "/things")
		line := s.logLine(t)
		require.Equal(t, "OPTIONS", line["http.request.method"])
		require.InDelta(t, http.StatusNoContent, line["http.response.status_code"], 0)
		require.Equal(t, "/things", line["url.path"])
	})
}
