package telemetry

import (
	"context"
	"fmt"
	"strconv"
	"sync/atomic"

	"github.com/prometheus/client_golang/prometheus"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
)

// defaultQueueSize is the capacity of the span queue, in spans, if
// OTEL_BSP_MAX_QUEUE_SIZE is not set
// (https://opentelemetry.io/docs/specs/otel/configuration/sdk-environment-variables/#batch-span-processor).
const defaultQueueSize = 2048

// countingProcessor wraps the SDK's batch span processor, which silently drops
// spans when its queue is full. It counts each sampled span as queued or
// dropped; countingExporter counts each queued one as exported or failed. The
// metrics are OpenTelemetry's
// (https://opentelemetry.io/docs/specs/semconv/otel/sdk-metrics/).
type countingProcessor struct {
	sdktrace.SpanProcessor
	pending   *atomic.Int64 // spans that are queued or being exported
	queueSize int64

	queued, dropped prometheus.Counter
}

// newCountingProcessor returns a processor that exports spans in batches, and
// registers its metrics. It returns an error for an invalid OTEL_BSP_MAX_QUEUE_SIZE.
func newCountingProcessor(
	exporter sdktrace.SpanExporter, getenv func(string) string, registry prometheus.Registerer,
) (*countingProcessor, error) {
	queueSize := defaultQueueSize
	if text := getenv("OTEL_BSP_MAX_QUEUE_SIZE"); text != "" {
		var err error
		if queueSize, err = strconv.Atoi(text); err != nil || queueSize < 1 {
			return nil, fmt.Errorf("OTEL_BSP_MAX_QUEUE_SIZE=%q is not usable: give a number of spans", text)
		}
	}
	processed := prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "otel_sdk_processor_span_processed_total", Help: "Spans that were queued for export, or dropped because the queue was full.",
	}, []string{"error_type"})
	exported := prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "otel_sdk_exporter_span_exported_total", Help: "Spans that were exported, or whose export failed.",
	}, []string{"error_type"})
	registry.MustRegister(processed, exported)
	pending := new(atomic.Int64)
	counting := &countingExporter{exporter, pending, exported.WithLabelValues(""), exported.WithLabelValues("export_failed")}
	return &countingProcessor{
		SpanProcessor: sdktrace.NewBatchSpanProcessor(counting, sdktrace.WithMaxQueueSize(queueSize)),
		pending:       pending,
		queueSize:     int64(queueSize),
		queued:        processed.WithLabelValues(""),
		dropped:       processed.WithLabelValues("queue_full"),
	}, nil
}

// OnEnd queues a sampled span, or drops it if the queue is full. It ignores
// other spans.
func (p *countingProcessor) OnEnd(span sdktrace.ReadOnlySpan) {
	if !span.SpanContext().IsSampled() {
		return
	}
	if p.pending.Add(1) > p.queueSize {
		p.pending.Add(-1)
		p.dropped.Inc()
		return
	}
	p.queued.Inc()
	p.SpanProcessor.OnEnd(span)
}

// countingExporter counts the spans that leave the queue.
type countingExporter struct {
	sdktrace.SpanExporter
	pending          *atomic.Int64 // shared with countingProcessor
	exported, failed prometheus.Counter
}

// ExportSpans exports a batch and counts its spans as exported or failed.
func (e *countingExporter) ExportSpans(ctx context.Context, spans []sdktrace.ReadOnlySpan) error {
	err := e.SpanExporter.ExportSpans(ctx, spans)
	e.pending.Add(-int64(len(spans)))
	if err != nil {
		e.failed.Add(float64(len(spans)))
		return err
	}
	e.exported.Add(float64(len(spans)))
	return nil
}
