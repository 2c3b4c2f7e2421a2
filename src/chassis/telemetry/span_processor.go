package telemetry

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
)

// Limits of the batch span processor, in spans and milliseconds
// (https://opentelemetry.io/docs/specs/otel/configuration/sdk-environment-variables/#batch-span-processor).
const (
	defaultQueueSize     = 2048
	defaultBatchSize     = 512
	defaultScheduleDelay = 5000
	defaultExportTimeout = 30_000
	// highestQueueSize bounds the memory that a mistaken value takes: the queue is allocated at once.
	highestQueueSize = 1_000_000
	highestDuration  = 24 * 60 * 60 * 1000
)

// batchSettings are what the variables say about queue and batches.
type batchSettings struct {
	queueSize, batchSize    int
	scheduleDelay, patience time.Duration
}

func (e *environment) batchSettings() batchSettings {
	milliseconds := func(unset, lowest int, name string) time.Duration {
		return time.Duration(e.number(unset, lowest, highestDuration, name)) * time.Millisecond
	}
	s := batchSettings{
		queueSize:     e.number(defaultQueueSize, 1, highestQueueSize, "OTEL_BSP_MAX_QUEUE_SIZE"),
		batchSize:     e.number(defaultBatchSize, 1, highestQueueSize, "OTEL_BSP_MAX_EXPORT_BATCH_SIZE"),
		scheduleDelay: milliseconds(defaultScheduleDelay, 1, "OTEL_BSP_SCHEDULE_DELAY"), // 0 would keep a processor busy
		patience:      milliseconds(defaultExportTimeout, 1, "OTEL_BSP_EXPORT_TIMEOUT"),
	}
	if s.batchSize > s.queueSize {
		if e.get("OTEL_BSP_MAX_EXPORT_BATCH_SIZE") != "" {
			e.ignore("OTEL_BSP_MAX_EXPORT_BATCH_SIZE=%d is more than the queue holds: batches have %d spans", s.batchSize, s.queueSize)
		}
		s.batchSize = s.queueSize
	}
	return s
}

// LostSpansError says how many spans were not exported when the process ended, and why.
type LostSpansError struct {
	Spans int64
	Cause error // of the last export that failed, or that the time was over
}

func (e *LostSpansError) Error() string {
	return fmt.Sprintf("spans were lost: %d: %v", e.Spans, e.Cause)
}

func (e *LostSpansError) Unwrap() error { return e.Cause }

// countingProcessor wraps the SDK's batch span processor, which silently drops
// spans when its queue is full and when the last export fails. It counts each sampled
// span as queued or dropped; countingExporter counts each queued one as exported or
// failed. The metrics are OpenTelemetry's
// (https://opentelemetry.io/docs/specs/semconv/otel/sdk-metrics/).
type countingProcessor struct {
	sdktrace.SpanProcessor
	exporter  *countingExporter
	queueSize int64

	queued, dropped prometheus.Counter
}

// newCountingProcessor returns a processor that exports spans in batches, and
// registers its metrics.
func newCountingProcessor(
	exporter sdktrace.SpanExporter, s batchSettings, log *slog.Logger, registry prometheus.Registerer,
) *countingProcessor {
	processed := prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "otel_sdk_processor_span_processed_total", Help: "Spans that were queued for export, or dropped because the queue was full.",
	}, []string{"error_type"})
	exported := prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "otel_sdk_exporter_span_exported_total", Help: "Spans that were exported, or whose export failed or was given up at the end.",
	}, []string{"error_type"})
	registry.MustRegister(processed, exported)
	counting := &countingExporter{
		SpanExporter: exporter, log: log, exported: exported.WithLabelValues(""),
		failed: exported.WithLabelValues("export_failed"), givenUp: exported.WithLabelValues("timeout"),
	}
	return &countingProcessor{
		SpanProcessor: sdktrace.NewBatchSpanProcessor(counting,
			sdktrace.WithMaxQueueSize(s.queueSize), sdktrace.WithMaxExportBatchSize(s.batchSize),
			sdktrace.WithBatchTimeout(s.scheduleDelay), sdktrace.WithExportTimeout(s.patience)),
		exporter:  counting,
		queueSize: int64(s.queueSize),
		queued:    processed.WithLabelValues(""),
		dropped:   processed.WithLabelValues("queue_full"),
	}
}

// OnEnd queues a sampled span, or drops it if the queue is full. It ignores
// other spans.
func (p *countingProcessor) OnEnd(span sdktrace.ReadOnlySpan) {
	if !span.SpanContext().IsSampled() {
		return
	}
	if p.exporter.pending.Add(1) > p.queueSize {
		p.exporter.pending.Add(-1)
		p.exporter.droppedSince.Add(1)
		p.dropped.Inc()
		return
	}
	p.queued.Inc()
	p.SpanProcessor.OnEnd(span)
}

// flush exports what is queued and stops the processor. The error is a
// LostSpansError if spans were not exported before ctx ended.
func (p *countingProcessor) flush(ctx context.Context) error {
	p.exporter.beginLast()
	err := p.Shutdown(ctx)
	lost, cause := p.exporter.endLast()
	if ctx.Err() != nil {
		// Shutdown leaves an export that waits to try again running. This ends it.
		_ = p.exporter.Shutdown(ctx)
	}
	if lost > 0 {
		return &LostSpansError{Spans: lost, Cause: errors.Join(cause, err)}
	}
	return err
}

// countingExporter counts the spans that leave the queue, and logs those that are lost.
type countingExporter struct {
	sdktrace.SpanExporter
	log          *slog.Logger
	pending      atomic.Int64 // spans that are queued or being exported
	droppedSince atomic.Int64 // spans that were dropped since the last export

	exported, failed, givenUp prometheus.Counter

	mu    sync.Mutex
	last  bool  // whether the process ends, so that endLast reports the failures
	ended bool  // whether endLast has counted the spans
	lost  int64 // spans whose export has failed since beginLast
	cause error // of the last failure since then
}

// ExportSpans exports a batch, and counts its spans as exported or failed. It logs
// failures itself and returns nil: the SDK hands errors to a handler that all
// services of a process share, and that does not learn how many spans are lost.
func (e *countingExporter) ExportSpans(ctx context.Context, spans []sdktrace.ReadOnlySpan) error {
	err := e.SpanExporter.ExportSpans(ctx, spans)
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.ended {
		return nil
	}
	e.pending.Add(-int64(len(spans)))
	lost := lostSpans(err, len(spans))
	e.exported.Add(float64(len(spans) - lost))
	e.failed.Add(float64(lost))
	if lost > 0 {
		e.lost, e.cause = e.lost+int64(lost), err
	}
	switch {
	case err == nil || e.last && lost > 0: // endLast reports what is lost
	case lost > 0:
		e.log.Warn("traces were not exported", slog.Int64("spans", e.lost), slog.String("error", err.Error()))
		e.lost, e.cause = 0, nil
	default:
		e.log.Warn("the collector has taken all traces, with a warning", slog.String("warning", err.Error()))
	}
	e.logDropped()
	return nil
}

// lostSpans returns how many spans of an export are lost. A collector may have taken some, or
// all with a warning; the exporter says so only in the text of its error.
func lostSpans(err error, exported int) int {
	if err == nil {
		return 0
	}
	text := err.Error()
	if rejected := 0; strings.Contains(text, "OTLP partial success: ") {
		_, scanErr := fmt.Sscanf(text[strings.LastIndex(text, "(")+1:], "%d spans rejected)", &rejected)
		if scanErr == nil && rejected >= 0 && rejected <= exported {
			return rejected
		}
	}
	return exported
}

// logDropped logs the spans that were dropped since the last export.
func (e *countingExporter) logDropped() {
	if dropped := e.droppedSince.Swap(0); dropped > 0 {
		e.log.Warn("traces were dropped, because the queue was full", slog.Int64("spans", dropped))
	}
}

// beginLast begins to collect failures for endLast.
func (e *countingExporter) beginLast() {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.last = true
}

// endLast returns the number of spans that were lost since beginLast, and the last error.
// It counts the spans that are still queued as given up.
func (e *countingExporter) endLast() (lost int64, cause error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.ended = true
	pending := e.pending.Swap(0)
	e.givenUp.Add(float64(pending))
	e.logDropped()
	return e.lost + pending, e.cause
}
