package web

import (
	"net/http"
	"strconv"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"go.opentelemetry.io/otel/trace"

	"tandem/src/chassis/telemetry"
)

// metrics are the server metrics of OpenTelemetry's HTTP conventions
// (https://opentelemetry.io/docs/specs/semconv/http/http-metrics/#http-server),
// with their names written as Prometheus requires.
type metrics struct {
	duration *prometheus.HistogramVec
	active   prometheus.Gauge
}

func newMetrics(registry *prometheus.Registry) metrics {
	m := metrics{
		duration: prometheus.NewHistogramVec(
			telemetry.DurationOpts("http_server_request_duration_seconds", "Duration of HTTP server requests."),
			[]string{"http_request_method", "http_route", "http_response_status_code"}),
		active: prometheus.NewGauge(prometheus.GaugeOpts{
			Name: "http_server_active_requests", Help: "HTTP server requests in flight, without those of probes and scrapers.",
		}),
	}
	registry.MustRegister(m.duration, m.active)
	return m
}

// initSeries creates the series of a route's usual statuses with the value 0.
// Prometheus sees no increase in a series that begins with its first
// observation, so it would miss the first errors of a new pod.
func (m metrics) initSeries(method, route string) {
	success := http.StatusOK
	if method == http.MethodPost {
		success = http.StatusCreated
	}
	for _, status := range []int{success, http.StatusInternalServerError, http.StatusServiceUnavailable} {
		m.duration.WithLabelValues(method, route, strconv.Itoa(status))
	}
}

// observe adds a request to the histogram, with its trace as an exemplar if the
// trace is sampled.
func (m metrics) observe(method, route string, status int, duration time.Duration, span trace.SpanContext) {
	telemetry.Observe(m.duration.WithLabelValues(method, route, strconv.Itoa(status)), duration, span)
}
