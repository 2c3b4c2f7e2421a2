// Package telemetrytest gives tests a service's signals to look at.
package telemetrytest

import (
	"bytes"
	"encoding/json"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"

	"tandem/src/chassis/build"
	"tandem/src/chassis/telemetry"
)

// Log keeps what a service logs.
type Log struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (l *Log) Write(b []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.Write(b)
}

// String is all that has been logged.
func (l *Log) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.String()
}

// Lines are the members of each line with that message.
func (l *Log) Lines(t testing.TB, message string) []map[string]any {
	t.Helper()
	var lines []map[string]any
	for _, text := range bytes.Split([]byte(l.String()), []byte("\n")) {
		if len(text) == 0 {
			continue
		}
		var line map[string]any
		require.NoError(t, json.Unmarshal(text, &line), "%s", text)
		if line["msg"] == message {
			lines = append(lines, line)
		}
	}
	return lines
}

// New returns signals that export nothing, with the log at debug level.
func New(t testing.TB) (*telemetry.Telemetry, *Log) {
	t.Helper()
	log := new(Log)
	signals, err := telemetry.New(t.Context(), build.For("test-service"), "debug", func(string) string { return "" }, log)
	require.NoError(t, err)
	return signals, log
}

// Spans makes signals record every span, and returns where they go.
func Spans(signals *telemetry.Telemetry) *tracetest.SpanRecorder {
	spans := tracetest.NewSpanRecorder()
	signals.Tracer = sdktrace.NewTracerProvider(sdktrace.WithSpanProcessor(spans)).Tracer("test")
	return spans
}
