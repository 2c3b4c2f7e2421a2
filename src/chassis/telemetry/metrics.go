package telemetry

import (
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"go.opentelemetry.io/otel/trace"
)

// DurationOpts describes a histogram of seconds, classic and native at once.
// The classic buckets are those that OpenTelemetry's HTTP conventions advise
// (https://opentelemetry.io/docs/specs/semconv/http/http-metrics/).
func DurationOpts(name, help string) prometheus.HistogramOpts {
	return prometheus.HistogramOpts{
		Name:                            name,
		Help:                            help,
		Buckets:                         []float64{0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 0.75, 1, 2.5, 5, 7.5, 10},
		NativeHistogramBucketFactor:     1.1,
		NativeHistogramMaxBucketNumber:  100,
		NativeHistogramMinResetDuration: time.Hour,
	}
}

// Observe adds a duration to a histogram, with the trace as its exemplar where
// the trace is kept: an exemplar must lead somewhere.
func Observe(histogram prometheus.Observer, took time.Duration, span trace.SpanContext) {
	if exemplars, ok := histogram.(prometheus.ExemplarObserver); ok && span.IsSampled() {
		exemplars.ObserveWithExemplar(took.Seconds(), prometheus.Labels{"trace_id": span.TraceID().String()})
		return
	}
	histogram.Observe(took.Seconds())
}
