package telemetry

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"strconv"
	"strings"
	"time"
	"unicode"

	semconv "go.opentelemetry.io/otel/semconv/v1.43.0"
)

// textHandler writes one short line for a person: time, level, service, message
// and attributes. Below WARN it leaves out what a person rarely needs, unless the
// level of the log is debug. Each line is one call of Write.
type textHandler struct {
	out     io.Writer
	level   slog.Level
	service string
	attrs   string // those of WithAttrs, formatted
}

func (h *textHandler) Enabled(_ context.Context, level slog.Level) bool { return level >= h.level }

func (h *textHandler) Handle(_ context.Context, record slog.Record) error {
	line := fmt.Sprintf("%s  %-5s  %-6s  %-9s%s",
		record.Time.Format("15:04:05.000"), record.Level, h.service, formatText(record.Message, strconv.IsPrint), h.attrs)
	record.Attrs(func(attr slog.Attr) bool {
		line += h.format(attr, record.Level)
		return true
	})
	_, err := io.WriteString(h.out, strings.TrimRight(line, " ")+"\n")
	return err
}

// WithAttrs returns a handler that adds the attributes to each line. The name of
// the service has a column of its own.
func (h *textHandler) WithAttrs(attrs []slog.Attr) slog.Handler {
	with := *h
	for _, attr := range attrs {
		if attr.Key == string(semconv.ServiceNameKey) {
			with.service = strings.TrimSuffix(attr.Value.String(), "-service")
		} else {
			with.attrs += h.format(attr, slog.LevelInfo)
		}
	}
	return &with
}

// WithGroup returns the handler itself: names of attributes are unique.
func (h *textHandler) WithGroup(string) slog.Handler { return h }

// format returns the text of an attribute with a space before it, or nothing if
// a line of that level does not show it. The values that every request has stand
// without their names.
func (h *textHandler) format(attr slog.Attr, level slog.Level) string {
	value := attr.Value.Resolve()
	switch attr.Key {
	case string(semconv.HTTPRequestMethodKey), string(semconv.URLPathKey), string(semconv.HTTPResponseStatusCodeKey):
		return " " + formatText(value.String(), isVisible)
	case "duration_seconds":
		return " " + time.Duration(value.Float64()*float64(time.Second)).Round(10*time.Microsecond).String()
	case string(semconv.ExceptionStacktraceKey):
		return "\n" + value.String()
	case string(semconv.HTTPRouteKey), string(semconv.HTTPResponseBodySizeKey), "span_id", "settings":
		if h.level > slog.LevelDebug {
			return ""
		}
	case "trace_id":
		if h.level > slog.LevelDebug && level < slog.LevelWarn {
			return ""
		}
	}
	return " " + attr.Key + "=" + formatText(value.String(), isVisible)
}

// formatText returns the text itself if it consists of allowed characters, and
// otherwise quotes it: a caller chooses some texts, which must not control the
// terminal.
func formatText(text string, allowed func(rune) bool) string {
	if text == "" || strings.ContainsFunc(text, func(r rune) bool { return !allowed(r) || r == unicode.ReplacementChar }) {
		return strconv.Quote(text)
	}
	return text
}

// isVisible reports whether a value with the character needs no quotes.
func isVisible(r rune) bool { return r != '"' && r != ' ' && strconv.IsPrint(r) }
