package telemetry

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"os"

	"github.com/mattn/go-isatty"
	"go.opentelemetry.io/otel/trace"
)

// LogOptions are the options of a service's log.
type LogOptions struct {
	Level  string // the lowest that is logged: debug, info, warn or error
	Format string // text or json; empty: text if the log goes to a terminal, otherwise json
}

// newLog returns a logger that writes lines of the level or above, as JSON or as
// text. A line logged with the context of a span has its trace_id and span_id.
func newLog(options LogOptions, out io.Writer) (*slog.Logger, error) {
	var minLevel slog.Level
	if err := minLevel.UnmarshalText([]byte(options.Level)); err != nil {
		return nil, fmt.Errorf("log level: %w", err)
	}
	if options.Format == "text" || options.Format == "" && isTerminal(out) {
		return slog.New(traceHandler{&textHandler{out: out, level: minLevel}}), nil
	}
	return slog.New(traceHandler{slog.NewJSONHandler(out, &slog.HandlerOptions{Level: minLevel})}), nil
}

func isTerminal(out io.Writer) bool {
	file, ok := out.(*os.File)
	return ok && isatty.IsTerminal(file.Fd())
}

// traceHandler adds the ids of the span in the context to each log line.
type traceHandler struct{ slog.Handler }

func (h traceHandler) Handle(ctx context.Context, record slog.Record) error {
	if span := trace.SpanContextFromContext(ctx); span.IsValid() {
		record.AddAttrs(slog.String("trace_id", span.TraceID().String()), slog.String("span_id", span.SpanID().String()))
	}
	return h.Handler.Handle(ctx, record)
}

func (h traceHandler) WithAttrs(attrs []slog.Attr) slog.Handler {
	return traceHandler{h.Handler.WithAttrs(attrs)}
}

func (h traceHandler) WithGroup(name string) slog.Handler {
	return traceHandler{h.Handler.WithGroup(name)}
}
