// Package health answers /health, for people and for both Kubernetes probes:
// alive whenever the process serves, ready (?ready=1) when it also can work.
// Answers never wait for a store or another service; they tell what the last
// check found.
package health

import (
	"context"
	"net/http"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"tandem/src/chassis/build"
	"tandem/src/chassis/failure"
	"tandem/src/chassis/web"
)

// Health is what a service knows of its own state.
type Health struct {
	info         build.Info
	dependencyUp *prometheus.GaugeVec

	mu           sync.Mutex
	phase        string // why the service is not ready, whatever its checks say
	store        *check
	dependencies map[string]*check
}

// report is the answer to GET /health.
type report struct {
	Status       string            `json:"status"`
	Service      string            `json:"service"`
	Dependencies map[string]string `json:"dependencies,omitempty"`
	Timestamp    time.Time         `json:"timestamp"`
	Version      string            `json:"version"`
}

// What a dependency can be.
const (
	Healthy     = "healthy"     // answers that it is well
	Unhealthy   = "unhealthy"   // answers, but not that
	Unreachable = "unreachable" // does not answer
)

const (
	starting = "The service is still starting."
	draining = "The service is shutting down."
)

// New returns the health of a service that is still starting.
func New(info build.Info, registry *prometheus.Registry) *Health {
	h := &Health{
		info: info, phase: starting, dependencies: map[string]*check{},
		dependencyUp: prometheus.NewGaugeVec(prometheus.GaugeOpts{
			Name: "dependency_up", Help: "Whether the last check of a dependency found it healthy.",
		}, []string{"dependency"}),
	}
	registry.MustRegister(h.dependencyUp, prometheus.NewGaugeFunc(prometheus.GaugeOpts{
		Name: "service_ready", Help: "Whether GET /health?ready=1 answers 200.",
	}, h.readiness))
	h.gauge("store")(Unreachable) // until it has been reached, which may be never
	return h
}

// WatchStore checks the service's own store, now and then at most once a
// second, until the context ends. Without it there is no readiness.
func (h *Health) WatchStore(ctx context.Context, ping func(context.Context) error) {
	ask := func(ctx context.Context) string {
		if ping(ctx) != nil {
			return Unreachable
		}
		return Healthy
	}
	c := watch(ctx, time.Second, ask, h.gauge("store"))
	// The service has just reached its store; it should not begin as degraded.
	first, cancel := context.WithTimeout(ctx, time.Second)
	defer cancel()
	c.result(first)
	h.mu.Lock()
	defer h.mu.Unlock()
	h.store = c
}

// WatchDependency asks another service how it is, often enough for the answer
// to be at most a second old, until the context ends. It never bears on
// readiness: an outage there must not take every pod here out of service.
func (h *Health) WatchDependency(ctx context.Context, name string, ask func(context.Context) string) {
	c := watch(ctx, time.Second/2, ask, h.gauge(name))
	h.mu.Lock()
	defer h.mu.Unlock()
	h.dependencies[name] = c
}

// Ready ends the start: from now on the store's check alone decides.
func (h *Health) Ready() { h.enter("") }

// Drain ends readiness for good.
func (h *Health) Drain() { h.enter(draining) }

// Await blocks until the dependency has answered, well or not, or the context
// ends.
func (h *Health) Await(ctx context.Context, dependency string) {
	h.mu.Lock()
	c := h.dependencies[dependency]
	h.mu.Unlock()
	c.awaitAnswer(ctx)
}

// Get answers GET /health.
func (h *Health) Get(w http.ResponseWriter, r *http.Request) error {
	query := web.ReadQuery(r.URL)
	probe := query.OneOf("ready", "1")
	if err := query.Err(); err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(r.Context(), firstAnswer)
	defer cancel()
	if probe == "1" {
		if why := h.notReady(ctx); why != "" {
			return failure.New(failure.Unavailable, why)
		}
	}
	return web.JSON(w, http.StatusOK, h.report(ctx))
}

func (h *Health) notReady(ctx context.Context) string {
	phase, store, _ := h.checks()
	switch {
	case phase != "":
		return phase
	case store == nil || store.result(ctx) != Healthy:
		return "The service cannot reach its database."
	default:
		return ""
	}
}

// readiness is what notReady says, for the metric, without waiting for a check.
func (h *Health) readiness() float64 {
	ended, cancel := context.WithCancel(context.Background())
	cancel()
	if h.notReady(ended) != "" {
		return 0
	}
	return 1
}

func (h *Health) report(ctx context.Context) report {
	_, store, dependencies := h.checks()
	status := Healthy
	if store == nil || store.result(ctx) != Healthy {
		status = "degraded"
	}
	states := make(map[string]string, len(dependencies))
	for name, c := range dependencies {
		states[name] = c.result(ctx)
		if states[name] != Healthy {
			status = "degraded"
		}
	}
	return report{
		Status: status, Service: h.info.Service, Dependencies: states,
		Timestamp: time.Now().UTC(), Version: h.info.Version,
	}
}

func (h *Health) checks() (phase string, store *check, dependencies map[string]*check) {
	h.mu.Lock()
	defer h.mu.Unlock()
	dependencies = make(map[string]*check, len(h.dependencies))
	for name, c := range h.dependencies {
		dependencies[name] = c
	}
	return h.phase, h.store, dependencies
}

func (h *Health) enter(phase string) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.phase != draining {
		h.phase = phase
	}
}

func (h *Health) gauge(dependency string) func(state string) {
	gauge := h.dependencyUp.WithLabelValues(dependency)
	return func(state string) {
		if state == Healthy {
			gauge.Set(1)
		} else {
			gauge.Set(0)
		}
	}
}
