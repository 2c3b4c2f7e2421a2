package telemetry

import (
	"context"
	"fmt"
	"strconv"
	"sync/atomic"

	"github.com/prometheus/client_golang/prometheus"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
)

// defaultQueue is the most spans that wait for their export where
// OTEL_BSP_MAX_QUEUE_SIZE does not say
// (https://opentelemetry.io/docs/specs/otel/configuration/sdk-environment-variables/#batch-span-processor).
const defaultQueue = 2048

// queue stands around the SDK's batch processor, which drops silently what it
// has no room for: here each span that was to be exported is counted as kept
// or dropped, and each that was kept as exported or failed.
// The metrics are OpenTelemetry's
// (https://opentelemetry.io/docs/specs/semconv/otel/sdk-metrics/).
type queue struct {
	sdktrace.SpanProcessor
	waiting *atomic.Int64
	most    int64

	kept, dropped prometheus.Counter
}

// newQueue batches what goes to the exporter.
func newQueue(exporter sdktrace.SpanExporter, getenv func(string) string, registry prometheus.Registerer) (*queue, error) {
	most := defaultQueue
	if text := getenv("OTEL_BSP_MAX_QUEUE_SIZE"); text != "" {
		var err error
		if most, err = strconv.Atoi(text); err != nil || most < 1 {
			return nil, fmt.Errorf("OTEL_BSP_MAX_QUEUE_SIZE=%q is not usable: give a number of spans", text)
		}
	}
	processed := prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "otel_sdk_processor_span_processed_total", Help: "Spans that were queued for export, or dropped because the queue was full.",
	}, []string{"error_type"})
	exported := prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "otel_sdk_exporter_span_exported_total", Help: "Spans whose export has ended, or failed.",
	}, []string{"error_type"})
	registry.MustRegister(processed, exported)
	waiting := new(atomic.Int64)
	counting := &countingExporter{exporter, waiting, exported.WithLabelValues(""), exported.WithLabelValues("export_failed")}
	return &queue{
		SpanProcessor: sdktrace.NewBatchSpanProcessor(counting, sdktrace.WithMaxQueueSize(most)),
		waiting:       waiting, most: int64(most),
		kept: processed.WithLabelValues(""), dropped: processed.WithLabelValues("queue_full"),
	}, nil
}

// OnEnd queues a span that is to be exported, or drops it.
func (q *queue) OnEnd(span sdktrace.ReadOnlySpan) {
	if !span.SpanContext().IsSampled() {
		return
	}
	if q.waiting.Add(1) > q.most {
		q.waiting.Add(-1)
		q.dropped.Inc()
		return
	}
	q.kept.Inc()
	q.SpanProcessor.OnEnd(span)
}

// countingExporter counts what leaves the queue.
type countingExporter struct {
	sdktrace.SpanExporter
	waiting      *atomic.Int64
	sent, failed prometheus.Counter
}

// ExportSpans exports a batch, once.
func (e *countingExporter) ExportSpans(ctx context.Context, spans []sdktrace.ReadOnlySpan) error {
	err := e.SpanExporter.ExportSpans(ctx, spans)
	e.waiting.Add(-int64(len(spans)))
	if err != nil {
		e.failed.Add(float64(len(spans)))
		return err
	}
	e.sent.Add(float64(len(spans)))
	return nil
}
