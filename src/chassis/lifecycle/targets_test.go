package lifecycle_test

import (
	"bufio"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// send sends bytes to the app and returns its first response, with the body.
func (r *runningApp) send(t *testing.T, bytes string) (*http.Response, string) {
	t.Helper()
	conn, err := net.Dial("tcp", strings.TrimPrefix(r.baseURL, "http://"))
	require.NoError(t, err)
	defer conn.Close()
	_, err = io.WriteString(conn, bytes)
	require.NoError(t, err)
	response, err := http.ReadResponse(bufio.NewReader(conn), nil)
	require.NoError(t, err)
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	require.NoError(t, err)
	return response, string(body)
}

// TestTargets checks requests whose target is no path.
func TestTargets(t *testing.T) {
	r := run(t, config(), healthy)
	r.awaitReady(t)
	for _, tt := range []struct{ name, line, instance, method string }{
		{"OPTIONS * is a problem, counted", "OPTIONS *", `"instance":"*"`, "OPTIONS"},
		{"a target without a path is /", "GET http://a.example", `"instance":"/"`, "GET"},
		{"a target with only a query is /", "GET http://a.example?x", `"instance":"/"`, "GET"},
		{"CONNECT has an instance", "CONNECT a.example:443", `"instance":"/"`, "CONNECT"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			before := len(r.log.Lines(t, "request"))
			response, body := r.send(t, tt.line+" HTTP/1.1\r\nHost: a.example\r\nConnection: close\r\n\r\n")
			require.Equal(t, http.StatusNotFound, response.StatusCode)
			require.Equal(t, "application/problem+json", response.Header.Get("Content-Type"))
			require.Contains(t, body, tt.instance)
			require.Len(t, r.log.Lines(t, "request"), before+1)
			_, metrics := r.send(t, "GET /metrics HTTP/1.1\r\nHost: a.example\r\nConnection: close\r\n\r\n")
			require.Contains(t, metrics, `http_server_request_duration_seconds_count{http_request_method="`+tt.method+
				`",http_response_status_code="404",http_route="unmatched"}`)
		})
	}
}

// TestRefusedByServer lists what net/http answers before it calls the router. The
// documents list it, too.
func TestRefusedByServer(t *testing.T) {
	r := run(t, config(), healthy)
	r.awaitReady(t)
	for name, tt := range map[string]struct {
		bytes  string
		status int
	}{
		"no HTTP":               {"nonsense\r\n\r\n", 400},
		"no host":               {"GET / HTTP/1.1\r\n\r\n", 400},
		"another expectation":   {"GET / HTTP/1.1\r\nHost: a\r\nExpect: x\r\n\r\n", 417},
		"a header of 128 kB":    {"GET / HTTP/1.1\r\nHost: a\r\nX: " + strings.Repeat("x", 128<<10) + "\r\n\r\n", 431},
		"a transfer encoding":   {"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: gzip\r\n\r\n", 501},
		"another major version": {"GET / HTTP/3.0\r\nHost: a\r\n\r\n", 505},
	} {
		t.Run(name, func(t *testing.T) {
			response, body := r.send(t, tt.bytes)
			require.Equal(t, tt.status, response.StatusCode, body)
			require.NotContains(t, response.Header.Get("Content-Type"), "problem")
			require.True(t, response.Close)
		})
	}
	require.Empty(t, r.log.Lines(t, "request"))
}
