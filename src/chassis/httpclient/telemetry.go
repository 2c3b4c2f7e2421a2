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

// telemetry makes the client span and the metrics of each try, by OpenTelemetry's
// semantic conventions:
// https://opentelemetry.io/docs/specs/semconv/http/http-spans/#http-client-span
// https://opentelemetry.io/docs/specs/semconv/http/http-metrics/#http-client
type telemetry struct {
	tracer trace.Tracer
	origin string               // scheme and host of url.full
	peer   []attribute.KeyValue // the attributes that every span has

	retries   prometheus.Counter
	durations *prometheus.HistogramVec
	// observers spares the hot path the look-up by label values. Copied on write: there
	// are as many as a route has statuses, so writes soon end.
	observers atomic.Pointer[map[series]prometheus.Observer]
	adding    sync.Mutex
}

// series is what tells the observations of one client apart.
type series struct {
	route  string
	status int
	fault  fault
}

func newTelemetry(cfg Config, w *wire, breaker circuitbreaker.CircuitBreaker[any], b *balancer) *telemetry {
	t := &telemetry{
		tracer: cfg.Tracer,
		origin: cfg.BaseURL.Scheme + "://" + w.host,
		peer: []attribute.KeyValue{
			semconv.HTTPRequestMethodGet,
			semconv.ServerAddress(strings.TrimSuffix(b.source.host, ".")),
			semconv.ServerPort(int(b.source.port)),
			semconv.NetworkProtocolVersion("1.1"),
		},
	}
	t.observers.Store(&map[series]prometheus.Observer{})
	t.register(promauto.With(cfg.Registry), cfg.Peer, breaker, b)
	return t
}

// register creates all metrics of a client.
func (t *telemetry) register(in promauto.Factory, peer string, breaker circuitbreaker.CircuitBreaker[any], b *balancer) {
	labels := prometheus.Labels{"server_address": peer}
	duration := signals.DurationOpts("http_client_request_duration_seconds", "Duration of each try of an HTTP request, body included.")
	duration.ConstLabels = prometheus.Labels{"server_address": peer, "http_request_method": http.MethodGet}
	t.durations = in.NewHistogramVec(duration, []string{"url_template", "http_response_status_code", "error_type"})
	t.retries = in.NewCounter(prometheus.CounterOpts{
		Name: "http_client_retries_total", Help: "Tries beyond the first of a call.", ConstLabels: labels,
	})
	in.NewGaugeFunc(prometheus.GaugeOpts{
		Name: "circuit_breaker_state", Help: "0 closed, 1 half-open, 2 open.", ConstLabels: labels,
	}, func() float64 { return stateValue(breaker) })
	addresses := func(state string, n func() int) {
		in.NewGaugeFunc(prometheus.GaugeOpts{
			Name: "http_client_addresses", Help: "Addresses of the peer, by whether they are in use or ejected for now.",
			ConstLabels: prometheus.Labels{"server_address": peer, "state": state},
		}, func() float64 { return float64(n()) })
	}
	addresses("healthy", func() int { healthy, _ := b.count(); return healthy })
	addresses("ejected", func() int { _, ejected := b.count(); return ejected })
}

// stateValue calls a breaker half-open as soon as it would let a call through:
// without calls it would otherwise seem open for good.
func stateValue(breaker circuitbreaker.CircuitBreaker[any]) float64 {
	switch {
	case breaker.IsClosed():
		return 0
	case breaker.IsHalfOpen(), breaker.RemainingDelay() <= 0:
		return 1
	default:
		return 2
	}
}

// start begins the span of a try under the caller's. Under one that is not sampled it
// does not even ask: that answer is known, and asking costs allocations.
func (t *telemetry) start(ctx context.Context, route string) (context.Context, trace.Span) {
	if parent := trace.SpanContextFromContext(ctx); parent.IsValid() && !parent.IsSampled() {
		return ctx, tracenoop.Span{}
	}
	return t.tracer.Start(ctx, "GET "+route, trace.WithSpanKind(trace.SpanKindClient))
}

// end completes the span of a try and observes what it took.
func (t *telemetry) end(span trace.Span, try try, o outcome, took time.Duration) {
	if span.IsRecording() {
		t.describe(span, try, o)
	}
	span.End()
	signals.Observe(t.observer(series{try.route, o.status(), o.fault}), took, span.SpanContext())
}

// describe sets the attributes and the status of a try's span.
func (t *telemetry) describe(span trace.Span, try try, o outcome) {
	span.SetAttributes(t.peer...)
	span.SetAttributes(semconv.URLFull(t.origin+try.target.RequestURI()), semconv.URLTemplate(try.route))
	if try.resend > 0 {
		span.SetAttributes(semconv.HTTPRequestResendCount(try.resend))
	}
	if o.addr != nil {
		span.SetAttributes(semconv.NetworkPeerAddress(o.addr.Addr().String()), semconv.NetworkPeerPort(int(o.addr.Port())))
	}
	if o.response != nil {
		span.SetAttributes(semconv.HTTPResponseStatusCode(o.response.Status))
	}
	switch {
	case o.err != nil:
		span.SetAttributes(semconv.ErrorTypeKey.String(o.fault.label()))
		span.SetStatus(codes.Error, o.err.Error())
	case o.response.Status >= http.StatusBadRequest:
		span.SetAttributes(semconv.ErrorTypeKey.String(strconv.Itoa(o.response.Status)))
		span.SetStatus(codes.Error, "")
	}
}

// observer finds the histogram of one series, without lock or allocation once it exists.
func (t *telemetry) observer(s series) prometheus.Observer {
	if o, ok := (*t.observers.Load())[s]; ok {
		return o
	}
	t.adding.Lock()
	defer t.adding.Unlock()
	status := ""
	if s.status != 0 {
		status = strconv.Itoa(s.status)
	}
	next := maps.Clone(*t.observers.Load())
	next[s] = t.durations.WithLabelValues(s.route, status, s.fault.label())
	t.observers.Store(&next)
	return next[s]
}
