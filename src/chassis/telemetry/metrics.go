package telemetry

import (
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"go.opentelemetry.io/otel/trace"

	"tandem/src/chassis/build"
)

// newRegistry returns a registry with build_info and the metrics of the Go
// runtime and of the process.
func newRegistry(info build.Info) *prometheus.Registry {
	registry := prometheus.NewRegistry()
	buildInfo := prometheus.NewGauge(prometheus.GaugeOpts{
		Name:        "build_info",
		Help:        "What this process was built from; always 1.",
		ConstLabels: prometheus.Labels{"service": info.Service, "version": info.Version, "commit": info.Commit, "go_version": info.Go},
	})
	buildInfo.Set(1)
	registry.MustRegister(buildInfo, collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	return registry
}

// DurationOpts returns the options of a histogram of durations in seconds. The
// histogram is both classic and native. The classic buckets are those of
// OpenTelemetry's HTTP conventions
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

// CountOpts returns the options of a histogram of whole numbers from 1 to about 100,
// both classic and native.
func CountOpts(name, help string) prometheus.HistogramOpts {
	opts := DurationOpts(name, help)
	opts.Buckets = []float64{1, 2, 4, 8, 16, 32, 64, 100}
	return opts
}

// Observe adds a duration to a histogram of seconds. If the span is sampled, its
// trace ID becomes the exemplar; otherwise there is none, because the tracing
// backend does not have the trace.
func Observe(histogram prometheus.Observer, duration time.Duration, span trace.SpanContext) {
	if exemplars, ok := histogram.(prometheus.ExemplarObserver); ok && span.IsSampled() {
		exemplars.ObserveWithExemplar(duration.Seconds(), prometheus.Labels{"trace_id": span.TraceID().String()})
		return
	}
	histogram.Observe(duration.Seconds())
}
