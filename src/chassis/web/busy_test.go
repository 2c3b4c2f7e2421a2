package web_test

import (
	"context"
	"net/http"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"tandem/src/chassis/failure"
)

func TestRefusal(t *testing.T) {
	const caller = "4bf92f3577b34da6a3ce929d0e0e4736"

	t.Run("has the response of any other problem", func(t *testing.T) {
		busy, failing := newService(t, 0), newService(t)
		for _, target := range []string{
			"/things", "/things/7", "/things/a%2Fb", "/things/%22%5C%0A", "/things/%ff%3Cb%3E", `/things/a"b`,
			"/things/" + strings.Repeat("%c3%a9", 300),
			"/things/7?secret=1", "/nothing", "//things",
		} {
			headers := []string{"traceparent", "00-" + caller + "-00f067aa0ba902b7-00"}
			refused := busy.serve(newGet(target, headers...))
			text := refused.Body.String()
			members := requireProblem(t, refused, http.StatusServiceUnavailable)
			require.Equal(t, caller, members["trace_id"])
			detail, _ := members["detail"].(string)

			failing.Inject(func(context.Context) error { return failure.New(failure.Unavailable, detail) })
			failed := failing.serve(newGet(target, headers...))
			require.Equal(t, failed.Body.String(), text, target)
			require.Equal(t, failed.Header(), refused.Header(), target)
		}
	})

	t.Run("has a trace ID of its own without one of the caller", func(t *testing.T) {
		s := newService(t, 0)
		first := requireProblem(t, s.request("GET", "/things"), http.StatusServiceUnavailable)
		second := requireProblem(t, s.request("GET", "/things"), http.StatusServiceUnavailable)
		require.NotEqual(t, first["trace_id"], second["trace_id"])
		require.Equal(t, first["trace_id"], s.log.Lines(t, "request")[0]["trace_id"])
	})
}
