package web_test

import (
	"cmp"
	"errors"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"net/http"
	"strconv"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/stretchr/testify/require"

	"tandem/src/chassis/failure"
	"tandem/src/chassis/web"
)

func TestStatus(t *testing.T) {
	t.Run("is different for each code, and Code is its inverse", func(t *testing.T) {
		seen := map[int]failure.Code{}
		for _, code := range allCodes(t) {
			status := web.Status(code)
			require.GreaterOrEqual(t, status, 400)
			require.NotContains(t, seen, status)
			seen[status] = code
			require.Equal(t, code, web.Code(status))
		}
		require.Equal(t, map[int]failure.Code{
			400: failure.Invalid, 404: failure.NotFound, 405: failure.MethodNotAllowed, 408: failure.TooSlow,
			409: failure.Conflict, 413: failure.TooLarge,
			415: failure.UnsupportedMediaType, 422: failure.Unprocessable, 499: failure.Canceled, 500: failure.Internal, 503: failure.Unavailable,
		}, seen)
	})

	t.Run("has no code below 400, and the code of an unknown error status is Internal", func(t *testing.T) {
		for _, status := range []int{200, 201, 204, 304} {
			require.Empty(t, web.Code(status))
		}
		for _, status := range []int{401, 418, 501, 502, 504, 599} {
			require.Equal(t, failure.Internal, web.Code(status))
		}
		require.Equal(t, 500, web.Status("no such code"))
	})
}

func TestProblem(t *testing.T) {
	t.Run("has the message of the failure", func(t *testing.T) {
		for _, code := range allCodes(t) {
			t.Run(string(code), func(t *testing.T) {
				s := newService(t)
				s.Handle("GET", "/failure", failWith(fmt.Errorf("wrapped: %w", failure.New(code, "A sentence.").WithCause(errors.New("secret")))))
				w := s.request("GET", "/failure")
				members := requireProblem(t, w, web.Status(code))
				require.Equal(t, "A sentence.", members["error"])
				require.Equal(t, "/failure", members["instance"])
				require.NotContains(t, members, "errors")
				require.Equal(t, code == failure.Unavailable, w.Header().Get("Retry-After") == "1")
				line := s.logLine(t)
				require.Equal(t, "A sentence.: secret", line["error"], "the log has the cause")
				level := map[failure.Code]string{failure.Internal: "ERROR", failure.Unavailable: "WARN"}[code]
				require.Equal(t, cmp.Or(level, "INFO"), line["level"])
			})
		}
	})

	t.Run("has the fields and extensions of the failure", func(t *testing.T) {
		s := newService(t)
		bad := failure.New(failure.Invalid, "Two are bad.")
		bad.Fields = failure.Fields{{Name: "name", Message: "is required"}, {Name: "price", Message: "is negative"}}
		s.Handle("GET", "/bad", failWith(bad.With("user_id", 7).With("service_communication", "failed")))
		members := requireProblem(t, s.request("GET", "/bad"), http.StatusBadRequest)
		require.Equal(t, []any{
			map[string]any{"field": "name", "message": "is required"},
			map[string]any{"field": "price", "message": "is negative"},
		}, members["errors"])
		require.EqualValues(t, 7, members["user_id"])
		require.Equal(t, "failed", members["service_communication"])
	})

	t.Run("repeats a path that is not UTF-8", func(t *testing.T) {
		s := newService(t)
		s.Handle("PUT", "/things/{id}", func(_ http.ResponseWriter, r *http.Request) error {
			return failure.New(failure.NotFound, "No such thing as "+web.PathValue(r, "id")+".").With("thing_id", web.PathValue(r, "id"))
		})
		for _, target := range []string{"/things/%ff", "/things/\xff"} {
			members := requireProblem(t, s.request("PUT", target), http.StatusNotFound)
			require.Equal(t, "\uFFFD", members["thing_id"])
			require.Equal(t, "No such thing as \uFFFD.", members["error"])
			require.Contains(t, []any{"/things/%ff", "/things/%FF"}, members["instance"])
		}
		for _, line := range s.log.Lines(t, "request") {
			require.Equal(t, "/things/\uFFFD", line["url.path"])
		}
		requireProblem(t, s.request("GET", "/\xff%ff"), http.StatusNotFound)
	})

	t.Run("has an instance whatever the target is", func(t *testing.T) {
		for target, want := range map[string]string{
			"http://a.example": "/", "http://a.example?x=1": "/", "http://a.example/": "/", "*": "*", "/nothing": "/nothing",
		} {
			s := newService(t)
			members := requireProblem(t, s.request("GET", target), http.StatusNotFound)
			require.Equal(t, want, members["instance"], target)
			require.Equal(t, want, s.logLine(t)["url.path"], target)
		}
		requireProblem(t, newService(t).request("CONNECT", "example.com:443"), http.StatusNotFound)
	})

	t.Run("and its log line cut text that the caller chose after 256 characters", func(t *testing.T) {
		const bound = 12_000 // bytes: four times 256 characters, each of up to six bytes, with the rest of the answer
		control, wide := strings.Repeat("%01", 19_000), strings.Repeat("%F0%9F%98%80", 4_000)
		notFound := func(_ http.ResponseWriter, r *http.Request) error {
			_, err := web.PathID(r, func(id any) *failure.Error {
				return failure.New(failure.NotFound, fmt.Sprintf("There is no thing %v.", id)).With("thing_id", id)
			})
			return err
		}
		for _, r := range []struct{ method, target string }{
			{"PUT", "/things/" + control}, {"PUT", "/things/" + wide}, {"PUT", "/things/" + strings.Repeat("%ff", 19_000)},
			{"GET", "/" + control + "/x"}, {strings.Repeat("LONG", 10_000), "/things"},
		} {
			s := newService(t)
			s.Handle("PUT", "/things/{id}", notFound)
			w := s.request(r.method, r.target)
			require.Less(t, w.Body.Len(), bound)
			members := requireProblem(t, w, w.Code)
			if r.method == "PUT" {
				id := members["thing_id"].(string)
				require.Equal(t, 257, utf8.RuneCountInString(id))
				require.True(t, strings.HasSuffix(id, "…"))
			}
			require.Less(t, len(s.log.String()), bound)
		}
	})

	t.Run("that cannot be encoded becomes a 500 without a body", func(t *testing.T) {
		s := newService(t)
		s.Handle("GET", "/odd", failWith(failure.New(failure.NotFound, "Gone.").With("f", func() {})))
		w := s.request("GET", "/odd")
		require.Equal(t, http.StatusInternalServerError, w.Code)
		require.Empty(t, w.Body.String())
		line := s.logLine(t)
		require.Equal(t, "ERROR", line["level"])
		require.Contains(t, line["error"], "encode the response")
	})
}

func TestTraceID(t *testing.T) {
	t.Run("is that of the caller", func(t *testing.T) {
		const id = "0af7651916cd43dd8448eb211c80319c"
		for kind, handle := range registrations {
			t.Run(kind, func(t *testing.T) {
				s := newService(t)
				handle(s, "/gone", failWith(failure.New(failure.NotFound, "Gone.")))
				r := newGet("/gone", "Traceparent", "00-"+id+"-b7ad6b7169203331-01")
				require.Equal(t, id, requireProblem(t, s.serve(r), http.StatusNotFound)["trace_id"])
				require.Equal(t, id, s.logLine(t)["trace_id"])
			})
		}
	})

	t.Run("is random if the caller sends no valid one", func(t *testing.T) {
		for kind, handle := range registrations {
			t.Run(kind, func(t *testing.T) {
				s := newService(t)
				handle(s, "/gone", failWith(failure.New(failure.NotFound, "Gone.")))
				seen := map[any]bool{}
				for _, parent := range []string{"", "", "nonsense", "00-00000000000000000000000000000000-b7ad6b7169203331-01"} {
					r := newGet("/gone", "Traceparent", parent)
					id := requireProblem(t, s.serve(r), http.StatusNotFound)["trace_id"]
					lines := s.log.Lines(t, "request")
					require.Equal(t, lines[len(lines)-1]["trace_id"], id)
					seen[id] = true
				}
				require.Len(t, seen, 4)
			})
		}
	})
}

// allCodes returns the failure codes, read from the source of package failure, so
// that a new one is tested too.
func allCodes(t *testing.T) (all []failure.Code) {
	t.Helper()
	file, err := parser.ParseFile(token.NewFileSet(), "../failure/failure.go", nil, 0)
	require.NoError(t, err)
	ast.Inspect(file, func(n ast.Node) bool {
		spec, isSpec := n.(*ast.ValueSpec)
		if !isSpec {
			return true
		}
		if specType, isIdent := spec.Type.(*ast.Ident); isIdent && specType.Name == "Code" {
			text, err := strconv.Unquote(spec.Values[0].(*ast.BasicLit).Value)
			require.NoError(t, err)
			all = append(all, failure.Code(text))
		}
		return true
	})
	require.Len(t, all, 11)
	return all
}
