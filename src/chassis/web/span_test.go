package web_test

import (
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/contrib/instrumentation/net/http/otelhttp"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/propagation"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"
	"go.opentelemetry.io/otel/trace"

	"tandem/src/chassis/failure"
	"tandem/src/chassis/web"
	"tandem/src/testkit/telemetrytest"
)

func TestServerSpan(t *testing.T) {
	t.Run("describes the request and the response", func(t *testing.T) {
		s, spans := newTracedService(t)
		s.Handle("GET", "/fault", failWith(errors.New("boom")))
		s.Handle("GET", "/busy", failWith(failure.New(failure.Unavailable, "Later.")))
		s.Handle("GET", "/conflict", failWith(failure.New(failure.Conflict, "Taken.")))
		const failed = codes.Error
		tests := []struct {
			method, target, name string
			status               int64
			want                 map[string]any
			code                 codes.Code
		}{
			{"GET", "/things/7?x=1", "GET /things/{id}", 200, map[string]any{"http.route": "/things/{id}", "url.path": "/things/7", "url.query": "x=1"}, codes.Unset},
			{"HEAD", "/things", "HEAD /things", 200, map[string]any{"http.request.method": "HEAD", "http.route": "/things"}, codes.Unset},
			{"GET", "/nothing/secret", "GET", 404, map[string]any{"url.path": "/nothing/secret", "http.route": nil}, codes.Unset},
			{"DELETE", "/things", "DELETE", 405, map[string]any{"http.route": nil}, codes.Unset},
			{"PURGE", "/things", "HTTP", 405, map[string]any{"http.request.method": "_OTHER", "http.request.method_original": "PURGE"}, codes.Unset},
			{"GET", "/conflict", "GET /conflict", 409, map[string]any{"error.type": nil}, codes.Unset},
			{"GET", "/fault", "GET /fault", 500, map[string]any{"error.type": "500"}, failed},
			{"GET", "/busy", "GET /busy", 503, map[string]any{"error.type": "503"}, failed},
		}
		for i, tt := range tests {
			t.Run(tt.method+" "+tt.target, func(t *testing.T) {
				w := s.request(tt.method, tt.target)
				require.Len(t, spans.Ended(), i+1, "one span for each request")
				span := spans.Ended()[i]
				require.Equal(t, tt.name, span.Name())
				require.Equal(t, trace.SpanKindServer, span.SpanKind())
				require.Equal(t, sdktrace.Status{Code: tt.code}, span.Status())
				got := attributesOf(span)
				require.Equal(t, tt.status, got["http.response.status_code"])
				if tt.method == "HEAD" {
					require.Zero(t, got["http.response.body.size"])
				} else {
					require.EqualValues(t, w.Body.Len(), got["http.response.body.size"])
				}
				require.Equal(t, "example.com", got["server.address"])
				require.Equal(t, "192.0.2.1", got["client.address"])
				require.Equal(t, "192.0.2.1", got["network.peer.address"])
				require.Equal(t, int64(1234), got["network.peer.port"])
				require.Equal(t, "http", got["url.scheme"])
				for key, value := range tt.want {
					require.Equal(t, value, got[key], key)
				}
				require.Empty(t, span.Events())
				require.False(t, span.Parent().IsValid())
			})
		}
	})

	t.Run("is a child of the caller's span and the parent of the handler's", func(t *testing.T) {
		s, spans := newTracedService(t)
		var handlerSpan trace.SpanContext
		s.Handle("GET", "/seen", func(w http.ResponseWriter, r *http.Request) error {
			handlerSpan = trace.SpanContextFromContext(r.Context())
			return ok(w, r)
		})
		r := newGet("/seen", "Traceparent", "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01")
		s.serve(r)
		span := spans.Ended()[0]
		require.Equal(t, "0af7651916cd43dd8448eb211c80319c", span.SpanContext().TraceID().String())
		require.Equal(t, "b7ad6b7169203331", span.Parent().SpanID().String())
		require.True(t, span.Parent().IsRemote())
		require.Equal(t, span.SpanContext(), handlerSpan)
		line := s.logLine(t)
		require.Equal(t, span.SpanContext().SpanID().String(), line["span_id"])
	})

	t.Run("is not started if the caller does not sample", func(t *testing.T) {
		s, spans := newTracedService(t)
		r := newGet("/things", "Traceparent", "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-00")
		s.serve(r)
		require.Empty(t, spans.Started())
		require.Equal(t, "0af7651916cd43dd8448eb211c80319c", s.logLine(t)["trace_id"])
	})

	t.Run("is not started for probes", func(t *testing.T) {
		s, spans := newTracedService(t)
		s.request("GET", "/health")
		require.Empty(t, spans.Started())
	})

	t.Run("is not started for a refusal, which keeps the caller's trace", func(t *testing.T) {
		s, spans := newTracedService(t, 1)
		s.Handle("GET", "/nested", func(w http.ResponseWriter, r *http.Request) error {
			refused := newGet("/things", "Traceparent", "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01")
			response := s.serve(refused)
			require.Equal(t, http.StatusServiceUnavailable, response.Code)
			require.Contains(t, response.Body.String(), "0af7651916cd43dd8448eb211c80319c")
			return ok(w, r)
		})
		s.request("GET", "/nested")
		require.Len(t, spans.Ended(), 1)
		require.Equal(t, "GET /nested", spans.Ended()[0].Name())
		require.Equal(t, codes.Unset, spans.Ended()[0].Status().Code)
	})

	// OTLP cannot encode an attribute that is not UTF-8: the exporter would drop the
	// whole batch, with the spans of other requests.
	t.Run("can be exported whatever the caller sends", func(t *testing.T) {
		s, spans := newTracedService(t)
		s.Handle("GET", "/panic/{text}", func(_ http.ResponseWriter, r *http.Request) error { panic(web.PathValue(r, "text")) })
		for _, target := range []string{"/things/%ff?a=\xfe", "/\xff", "/panic/%ff"} {
			r := newGet(target, "User-Agent", "\xff")
			r.Host = "x\xff"
			s.serve(r)
		}
		for _, span := range spans.Ended() {
			for key, value := range attributesOf(span) {
				if text, is := value.(string); is {
					require.True(t, utf8.ValidString(text), "%s: %q", key, text)
				}
			}
			for _, event := range span.Events() {
				for _, pair := range event.Attributes {
					require.True(t, utf8.ValidString(pair.Value.AsString()), "%s: %q", pair.Key, pair.Value.AsString())
				}
			}
		}
		require.Len(t, spans.Ended(), 3)
	})

	t.Run("separates addresses from ports", func(t *testing.T) {
		s, spans := newTracedService(t)
		tests := []struct {
			host, remote string
			want         map[string]any
		}{
			{"users:5001", "10.0.0.1:999", map[string]any{"server.address": "users", "server.port": int64(5001), "client.address": "10.0.0.1", "network.peer.port": int64(999)}},
			{"[::1]:5001", "[fe80::1]:999", map[string]any{"server.address": "::1", "server.port": int64(5001), "network.peer.address": "fe80::1"}},
			{"users", "@", map[string]any{"server.address": "users", "server.port": nil, "client.address": nil, "network.peer.address": "@"}},
		}
		for i, tt := range tests {
			r := httptest.NewRequest("GET", "/things", nil)
			r.Host, r.RemoteAddr = tt.host, tt.remote
			s.serve(r)
			got := attributesOf(spans.Ended()[i])
			for key, value := range tt.want {
				require.Equal(t, value, got[key], key)
			}
		}
	})

	// The router follows the conventions without otelhttp, so its spans are compared
	// with those of otelhttp. They differ on purpose in these points:
	//   - The router sets url.query and error.type, which the conventions require;
	//     otelhttp does not.
	//   - otelhttp sets http.request.body.size, which is opt-in. The router would have
	//     to wrap each request body to count it.
	//   - The router takes client.address from the connection, otelhttp from
	//     X-Forwarded-For, which any client can send.
	//   - The router reports a method in lower case as _OTHER, because methods are
	//     case-sensitive; otelhttp converts it to upper case.
	t.Run("agrees with otelhttp", func(t *testing.T) {
		onlyOurs := []string{"url.query", "error.type"}
		onlyOtelhttp := []string{"http.request.body.size"}
		tests := map[string]func() *http.Request{
			"matched":      func() *http.Request { return httptest.NewRequest("GET", "http://users:5001/things/7?x=1", nil) },
			"HEAD":         func() *http.Request { return httptest.NewRequest("HEAD", "http://users:5001/things", nil) },
			"without port": func() *http.Request { return httptest.NewRequest("GET", "http://users/things", nil) },
			"not found":    func() *http.Request { return httptest.NewRequest("GET", "http://users:5001/nothing", nil) },
			"wrong method": func() *http.Request { return httptest.NewRequest("DELETE", "http://users:5001/things", nil) },
			"odd method":   func() *http.Request { return httptest.NewRequest("PURGE", "http://users:5001/things", nil) },
			"server error": func() *http.Request { return httptest.NewRequest("GET", "http://users:5001/fault", nil) },
			"unavailable":  func() *http.Request { return httptest.NewRequest("GET", "http://users:5001/busy", nil) },
			"client error": func() *http.Request { return httptest.NewRequest("GET", "http://users:5001/conflict", nil) },
			"with a body": func() *http.Request {
				r := newPost("http://users:5001/things", "application/json", strings.NewReader(`{"name": "x"}`))
				return r
			},
			"with a parent": func() *http.Request {
				r := newGet("http://users:5001/things", "Traceparent", "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01")
				return r
			},
			"with a user agent": func() *http.Request {
				r := newGet("http://users:5001/things", "User-Agent", "curl/8")
				return r
			},
		}
		for name, request := range tests {
			t.Run(name, func(t *testing.T) {
				s, spans := newTracedService(t)
				handlers := map[string]web.Handler{
					"/fault": failWith(errors.New("boom")), "/busy": failWith(failure.New(failure.Unavailable, "Later.")),
					"/conflict": failWith(failure.New(failure.Conflict, "Taken.")),
				}
				for path, handler := range handlers {
					s.Handle("GET", path, handler)
				}
				s.serve(request())
				require.Len(t, spans.Ended(), 1)

				// The same router inside otelhttp, which takes the route from a ServeMux.
				recorder := tracetest.NewSpanRecorder()
				inner := newService(t)
				for path, handler := range handlers {
					inner.Handle("GET", path, handler)
				}
				instrumented := otelhttp.NewHandler(inner, "server",
					otelhttp.WithTracerProvider(sdktrace.NewTracerProvider(sdktrace.WithSpanProcessor(recorder))),
					otelhttp.WithPropagators(propagation.TraceContext{}))
				serveMux := http.NewServeMux()
				for _, pattern := range inner.Routes() {
					serveMux.Handle(pattern, instrumented)
				}
				if _, pattern := serveMux.Handler(request()); pattern == "" {
					instrumented.ServeHTTP(httptest.NewRecorder(), request())
				} else {
					serveMux.ServeHTTP(httptest.NewRecorder(), request())
				}
				require.Len(t, recorder.Ended(), 1)

				got, want := spans.Ended()[0], recorder.Ended()[0]
				require.Equal(t, want.Name(), got.Name())
				require.Equal(t, want.SpanKind(), got.SpanKind())
				require.Equal(t, want.Status(), got.Status())
				require.Equal(t, want.Parent(), got.Parent())
				gotAttributes, wantAttributes := attributesOf(got), attributesOf(want)
				for _, key := range onlyOurs {
					require.NotContains(t, wantAttributes, key)
					delete(gotAttributes, key)
				}
				for _, key := range onlyOtelhttp {
					delete(wantAttributes, key)
				}
				if name == "HEAD" {
					wantAttributes["http.response.body.size"] = int64(0) // The recorder takes a body, unlike net/http.
				}
				require.Equal(t, wantAttributes, gotAttributes)
			})
		}
	})

	t.Run("ignores X-Forwarded-For", func(t *testing.T) {
		s, spans := newTracedService(t)
		r := newGet("/things", "X-Forwarded-For", "203.0.113.9")
		s.serve(r)
		require.Equal(t, "192.0.2.1", attributesOf(spans.Ended()[0])["client.address"])
	})
}

func attributesOf(span sdktrace.ReadOnlySpan) map[string]any {
	attributes := map[string]any{}
	for _, pair := range span.Attributes() {
		attributes[string(pair.Key)] = pair.Value.AsInterface()
	}
	return attributes
}

// newTracedService returns a service that records every span.
func newTracedService(t testing.TB, slots ...int) (*service, *tracetest.SpanRecorder) {
	t.Helper()
	signals, log := telemetrytest.New(t)
	spans := telemetrytest.Spans(signals)
	s := newServiceWith(signals, append(slots, 100)[0])
	s.log = log
	s.Open()
	return s, spans
}
