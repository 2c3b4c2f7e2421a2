package httpclient

import (
	"context"
	"maps"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/failsafe-go/failsafe-go/circuitbreaker"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promauto"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	semconv "go.opentelemetry.io/otel/semconv/v1.43.0"
	"go.opentelemetry.io/otel/trace"
	tracenoop "go.opentelemetry.io/otel/trace/noop"

	signals "tandem/src/chassis/telemetry"
)

// telemetry creates the client span and the metrics of each attempt, following
// OpenTelemetry's semantic conventions:
// https://opentelemetry.io/docs/specs/semconv/http/http-spans/#http-client-span
// https://opentelemetry.io/docs/specs/semconv/http/http-metrics/#http-client
type telemetry struct {
	tracer           trace.Tracer
	origin           string               // scheme and host of url.full
	commonAttributes []attribute.KeyValue // of every span

	retries   prometheus.Counter
	durations *prometheus.HistogramVec
	// observers holds a histogram for each series, so that an attempt needs no lookup by
	// label values. It is copied on write, which happens once for each series.
	observers   atomic.Pointer[map[series]prometheus.Observer]
	observersMu sync.Mutex // serializes writes
}

// series identifies a histogram of one client.
type series struct {
	route     string
	status    int // 0 without a response
	errorKind errorKind
}

func newTelemetry(cfg Config, host string, breaker circuitbreaker.CircuitBreaker[any], b *balancer) *telemetry {
	t := &telemetry{
		tracer: cfg.Tracer,
		origin: cfg.BaseURL.Scheme + "://" + host,
		commonAttributes: []attribute.KeyValue{
			semconv.HTTPRequestMethodGet,
			semconv.ServerAddress(strings.TrimSuffix(b.lookupConfig.host, ".")),
			semconv.ServerPort(int(b.lookupConfig.port)),
			semconv.NetworkProtocolVersion("1.1"),
		},
	}
	t.observers.Store(&map[series]prometheus.Observer{})
	t.register(promauto.With(cfg.Registry), cfg.Peer, breaker, b)
	return t
}

// register creates all metrics of a client.
func (t *telemetry) register(factory promauto.Factory, peer string, breaker circuitbreaker.CircuitBreaker[any], b *balancer) {
	labels := prometheus.Labels{"server_address": peer}
	duration := signals.DurationOpts("http_client_request_duration_seconds", "Duration of each attempt of an HTTP request, body included.")
	duration.ConstLabels = prometheus.Labels{"server_address": peer, "http_request_method": http.MethodGet}
	t.durations = factory.NewHistogramVec(duration, []string{"url_template", "http_response_status_code", "error_type"})
	t.retries = factory.NewCounter(prometheus.CounterOpts{
		Name: "http_client_retries_total", Help: "Attempts after the first one of a call.", ConstLabels: labels,
	})
	factory.NewGaugeFunc(prometheus.GaugeOpts{
		Name: "circuit_breaker_state", Help: "0 closed, 1 half-open, 2 open.", ConstLabels: labels,
	}, func() float64 { return breakerStateValue(breaker) })
	addresses := func(state string, count func() int) {
		factory.NewGaugeFunc(prometheus.GaugeOpts{
			Name: "http_client_addresses", Help: "Addresses of the peer by state: in use (healthy) or ejected at the moment.",
			ConstLabels: prometheus.Labels{"server_address": peer, "state": state},
		}, func() float64 { return float64(count()) })
	}
	addresses("healthy", func() int { healthy, _ := b.count(); return healthy })
	addresses("ejected", func() int { _, ejected := b.count(); return ejected })
}

// breakerStateValue returns 0 for a closed breaker, 1 for half-open and 2 for open. The
// breaker itself becomes half-open only when a call arrives. The value is 1 as soon as a
// call would be let through: otherwise it would stay 2 while there are no calls.
func breakerStateValue(breaker circuitbreaker.CircuitBreaker[any]) float64 {
	switch {
	case breaker.IsClosed():
		return 0
	case breaker.IsHalfOpen(), breaker.RemainingDelay() <= 0:
		return 1
	default:
		return 2
	}
}

// startSpan starts the span of an attempt as a child of the caller's. If the caller's span
// is not sampled it returns a span that does nothing, without calling the tracer, which
// would return the same but allocate.
func (t *telemetry) startSpan(ctx context.Context, route string) (context.Context, trace.Span) {
	if parent := trace.SpanContextFromContext(ctx); parent.IsValid() && !parent.IsSampled() {
		return ctx, tracenoop.Span{}
	}
	return t.tracer.Start(ctx, "GET "+route, trace.WithSpanKind(trace.SpanKindClient))
}

// endAttempt ends the span of an attempt and observes its duration.
func (t *telemetry) endAttempt(span trace.Span, a attempt, result attemptResult, duration time.Duration) {
	if span.IsRecording() {
		t.setSpanAttributes(span, a, result)
	}
	span.End()
	signals.Observe(t.observer(series{a.route, result.status(), result.errorKind}), duration, span.SpanContext())
}

// setSpanAttributes sets the attributes and the status of an attempt's span.
func (t *telemetry) setSpanAttributes(span trace.Span, a attempt, result attemptResult) {
	span.SetAttributes(t.commonAttributes...)
	span.SetAttributes(semconv.URLFull(t.origin+a.target.RequestURI()), semconv.URLTemplate(a.route))
	if a.resendCount > 0 {
		span.SetAttributes(semconv.HTTPRequestResendCount(a.resendCount))
	}
	if e := result.endpoint; e != nil {
		span.SetAttributes(semconv.NetworkPeerAddress(e.Addr().String()), semconv.NetworkPeerPort(int(e.Port())))
	}
	if result.response != nil {
		span.SetAttributes(semconv.HTTPResponseStatusCode(result.response.Status))
	}
	switch {
	case result.err != nil:
		span.SetAttributes(semconv.ErrorTypeKey.String(result.errorKind.label()))
		span.SetStatus(codes.Error, result.err.Error())
	case result.response.Status >= http.StatusBadRequest:
		span.SetAttributes(semconv.ErrorTypeKey.String(strconv.Itoa(result.response.Status)))
		span.SetStatus(codes.Error, "")
	}
}

// observer returns the histogram of s. Once the histogram exists, observer takes no lock
// and does not allocate.
func (t *telemetry) observer(s series) prometheus.Observer {
	if observer, ok := (*t.observers.Load())[s]; ok {
		return observer
	}
	t.observersMu.Lock()
	defer t.observersMu.Unlock()
	status := ""
	if s.status != 0 {
		status = strconv.Itoa(s.status)
	}
	observers := maps.Clone(*t.observers.Load())
	observers[s] = t.durations.WithLabelValues(s.route, status, s.errorKind.label())
	t.observers.Store(&observers)
	return observers[s]
}
