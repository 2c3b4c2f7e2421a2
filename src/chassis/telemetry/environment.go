package telemetry

import (
	"fmt"
	"log/slog"
	"os"
	"slices"
	"strconv"
	"strings"

	semconv "go.opentelemetry.io/otel/semconv/v1.43.0"
)

// environment reads the OTEL_ variables by one rule: a variable is honoured as the
// specification says
// (https://opentelemetry.io/docs/specs/otel/configuration/sdk-environment-variables/),
// or what is not honoured of it is kept for report. A value that cannot be used
// counts as not set.
type environment struct {
	getenv  func(string) string
	known   map[string]bool // the variables that were read
	ignored []string        // a sentence for each thing that is not honoured
}

func newEnvironment(getenv func(string) string) *environment {
	return &environment{getenv: getenv, known: map[string]bool{}}
}

// get returns the value of a variable without the spaces around it.
func (e *environment) get(name string) string {
	e.known[name] = true
	return strings.TrimSpace(e.getenv(name))
}

// first returns the first of the variables that is set, and its value.
func (e *environment) first(names ...string) (name, value string) {
	for _, candidate := range names {
		if text := e.get(candidate); text != "" && value == "" {
			name, value = candidate, text
		}
	}
	return name, value
}

// exporterSetting returns the variable of the OTLP exporter with that suffix that is
// set, and its value. The one for traces precedes the one for all signals.
func (e *environment) exporterSetting(suffix string) (name, value string) {
	return e.first("OTEL_EXPORTER_OTLP_TRACES_"+suffix, "OTEL_EXPORTER_OTLP_"+suffix)
}

// ignore keeps a sentence about something that is not honoured. Secrets have no place in it.
func (e *environment) ignore(format string, args ...any) {
	e.ignored = append(e.ignored, fmt.Sprintf(format, args...))
}

// number returns a whole number from the lowest to the highest.
func (e *environment) number(unset, lowest, highest int, names ...string) int {
	name, text := e.first(names...)
	if text == "" {
		return unset
	}
	n, err := strconv.Atoi(text)
	if err != nil || n < lowest || n > highest {
		e.ignore("%s=%q is not a whole number from %d to %d: the default applies", name, text, lowest, highest)
		return unset
	}
	return n
}

// boolean returns whether the value is true, in upper or lower case. The
// specification takes every other value as false.
func (e *environment) boolean(name, value string) bool {
	if value != "" && !strings.EqualFold(value, "true") && !strings.EqualFold(value, "false") {
		e.ignore("%s=%q is neither true nor false: it counts as false", name, value)
	}
	return strings.EqualFold(value, "true")
}

// words returns the words of a list that is separated by commas.
func words(text string) (all []string) {
	for word := range strings.SplitSeq(text, ",") {
		if word = strings.TrimSpace(word); word != "" {
			all = append(all, word)
		}
	}
	return all
}

// noteUnknown keeps a sentence about each variable that is set and that nothing has read.
func (e *environment) noteUnknown() {
	// What is exported besides traces: metrics are served, logs are written.
	for name, suitable := range map[string]string{"OTEL_METRICS_EXPORTER": "prometheus", "OTEL_LOGS_EXPORTER": "console"} {
		if value := e.get(name); value != "" && value != "none" && value != suitable {
			e.ignore("%s is not supported: metrics are served at /metrics, log lines are written to standard output", name)
		}
	}
	var unknown []string
	for _, entry := range os.Environ() {
		name, _, _ := strings.Cut(entry, "=")
		if strings.HasPrefix(name, "OTEL_") && !e.known[name] && e.get(name) != "" {
			unknown = append(unknown, name)
		}
	}
	slices.Sort(unknown)
	for _, name := range unknown {
		e.ignore("%s is not supported", name)
	}
}

// report logs what is not honoured, in one line.
func (e *environment) report(log *slog.Logger) {
	if len(e.ignored) > 0 {
		log.Warn("some OTEL_ variables are not honoured", slog.Any("variables", e.ignored))
	}
}

// serviceAttributes returns the attributes by which every signal names the service.
func serviceAttributes(resource map[string]string) (attrs []any) {
	for _, key := range []string{string(semconv.ServiceNameKey), string(semconv.ServiceNamespaceKey)} {
		if resource[key] != "" {
			attrs = append(attrs, slog.String(key, resource[key]))
		}
	}
	return attrs
}
