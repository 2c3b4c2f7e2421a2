package telemetry_test

import (
	"context"
	"log/slog"
	"testing"

	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/otel/trace"

	"tandem/src/chassis/build"
	"tandem/src/chassis/telemetry"
	"tandem/src/testkit/telemetrytest"
)

// textLog returns the log of a service as text.
func textLog(t *testing.T, level string) (*slog.Logger, *telemetrytest.Log) {
	t.Helper()
	out := new(telemetrytest.Log)
	signals, err := telemetry.New(t.Context(), build.For("users-service"), telemetry.LogOptions{Level: level, Format: "text"},
		func(string) string { return "" }, out)
	require.NoError(t, err)
	return signals.Log, out
}

func TestTextLog(t *testing.T) {
	const clock = `^\d\d:\d\d:\d\d\.\d\d\d  `
	request := []any{
		slog.String("http.request.method", "GET"), slog.String("http.route", "/users/{id}"), slog.String("url.path", "/users/1"),
		slog.Int("http.response.status_code", 200), slog.Int("http.response.body.size", 1234), slog.Float64("duration_seconds", 0.0012345),
	}
	span := trace.ContextWithSpanContext(t.Context(), trace.NewSpanContext(trace.SpanContextConfig{TraceID: [16]byte{1}, SpanID: [8]byte{2}}))
	tests := map[string]struct {
		level string
		log   func(*slog.Logger)
		want  string
	}{
		"a request": {"info", func(log *slog.Logger) { log.InfoContext(span, "request", request...) },
			`INFO   users   request   GET /users/1 200 1.23ms\n$`},
		"a failed request": {"info", func(log *slog.Logger) {
			log.ErrorContext(span, "request", append(request, slog.String("error", "no such table"))...)
		}, `ERROR  users   request   GET /users/1 200 1.23ms error="no such table" trace_id=01000000000000000000000000000000\n$`},
		"a debug log has all": {"debug", func(log *slog.Logger) { log.DebugContext(span, "request", request...) },
			`DEBUG  users   request   GET http.route=/users/{id} /users/1 200 http.response.body.size=1234 1.23ms trace_id=01\w+ span_id=02\w+\n$`},
		"a start": {"info", func(log *slog.Logger) {
			log.Info("starting", slog.String("version", "1.2"), slog.Group("settings", slog.Int("PORT", 1)))
		},
			`INFO   users   starting  version=1.2\n$`},
		"more attributes of a logger": {"info", func(log *slog.Logger) {
			log.With(slog.String("peer", "x")).WithGroup("g").Warn("a long message", slog.Int("n", 1))
		},
			`WARN   users   a long message peer=x n=1\n$`},
		"a path that would control the terminal": {"info", func(log *slog.Logger) { log.Info("request", slog.String("url.path", "/\x1b[2J\xff")) },
			`request   "/\\x1b\[2J\\xff"\n$`},
		"a panic shows its stack in lines": {"info", func(log *slog.Logger) {
			log.Error("request", slog.String("exception.stacktrace", "main.f\n\tmain.go:1"))
		},
			`request  \nmain.f\n\tmain.go:1\n$`},
		"nothing below the level": {"warn", func(log *slog.Logger) { log.Info("request"); log.Warn("x") }, `WARN   users   x\n$`},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			log, out := textLog(t, tt.level)
			tt.log(log)
			require.Regexp(t, clock+`.*`+tt.want, out.String())
		})
	}
	t.Run("is JSON unless it is asked for or goes to a terminal", func(t *testing.T) {
		for _, format := range []string{"", "json"} {
			out := new(telemetrytest.Log)
			signals, err := telemetry.New(t.Context(), build.For("x"), telemetry.LogOptions{Level: "info", Format: format},
				func(string) string { return "" }, out)
			require.NoError(t, err)
			signals.Log.InfoContext(context.Background(), "ready")
			require.Len(t, out.Lines(t, "ready"), 1)
		}
	})
}
