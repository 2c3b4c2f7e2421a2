// Package telemetrytest provides tests with telemetry whose logs and spans they
// can read.
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

// Log collects the log of a service. It is safe for concurrent use.
type Log struct {
	mu   sync.Mutex
	text bytes.Buffer
}

// Write appends log lines.
func (l *Log) Write(b []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.Write(b)
}

// String returns everything that has been logged.
func (l *Log) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.String()
}

// Lines returns the members of each line that has the given message.
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

// New returns telemetry that exports nothing, and its log at level debug.
func New(t testing.TB) (*telemetry.Telemetry, *Log) {
	t.Helper()
	log := new(Log)
	instance, err := telemetry.New(t.Context(), build.For("test-service"), telemetry.LogOptions{Level: "debug"},
		func(string) string { return "" }, log)
	require.NoError(t, err)
	return instance, log
}

// Spans makes telemetry record every span, and returns the recorder.
func Spans(instance *telemetry.Telemetry) *tracetest.SpanRecorder {
	recorder := tracetest.NewSpanRecorder()
	instance.Tracer = sdktrace.NewTracerProvider(sdktrace.WithSpanProcessor(recorder)).Tracer("test")
	return recorder
}
