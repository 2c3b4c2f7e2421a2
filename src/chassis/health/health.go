// Package health serves /health for people and for both Kubernetes probes: the
// liveness probe (/health) succeeds while the process serves, the readiness
// probe (/health?ready=1) only while the service can process requests. A
// response reports the last result of background checks; it waits only for the
// very first one.
package health

import (
	"context"
	"errors"
	"maps"
	"net/http"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"tandem/src/chassis/build"
	"tandem/src/chassis/failure"
	"tandem/src/chassis/web"
)

// Health holds the state of one service and of its dependencies. Its methods
// may be called concurrently.
type Health struct {
	info         build.Info
	dependencyUp *prometheus.GaugeVec

	mu           sync.Mutex
	phase        string // why the service is not ready, independent of its checks; empty once it has started
	store        *check // nil until WatchStore
	dependencies map[string]*check
}

// report is the body of the response to GET /health.
type report struct {
	Status       string            `json:"status"`
	Service      string            `json:"service"`
	Store        string            `json:"store"`
	Dependencies map[string]string `json:"dependencies,omitempty"`
	Timestamp    time.Time         `json:"timestamp"`
	Version      string            `json:"version"`
}

// States of a dependency, and of the service as a whole.
const (
	Healthy     = "healthy"     // responds that it is healthy
	Unhealthy   = "unhealthy"   // responds with anything else
	Unreachable = "unreachable" // does not respond

	degraded = "degraded" // of the service: the store or a dependency is not healthy; of the store: it only reads
)

// ErrDegraded is the error of a ping of a store that reads but takes no writes. The
// service stays ready, since no replica could serve the reads in its place.
var ErrDegraded = errors.New("the store takes no writes")

// Values of Health.phase.
const (
	starting = "The service is still starting."
	draining = "The service is shutting down."
)

// Intervals between two checks. A check may take 80 % of its interval.
const (
	storeInterval      = time.Second
	dependencyInterval = 500 * time.Millisecond // so that a reported state is at most one second old
)

// New returns the health of a service that is starting, and registers the
// metrics dependency_up and service_ready.
func New(info build.Info, registry *prometheus.Registry) *Health {
	h := &Health{
		info: info, phase: starting, dependencies: map[string]*check{},
		dependencyUp: prometheus.NewGaugeVec(prometheus.GaugeOpts{
			Name: "dependency_up", Help: "Whether the last check of a dependency found it healthy.",
		}, []string{"dependency"}),
	}
	registry.MustRegister(h.dependencyUp, prometheus.NewGaugeFunc(prometheus.GaugeOpts{
		Name: "service_ready", Help: "Whether GET /health?ready=1 returns 200.",
	}, h.readyValue))
	h.dependencyUpSetter("store")(Unreachable) // the series exists before the store is open
	return h
}

// WatchStore checks the service's own store once a second until ctx ends. The
// service is ready only after WatchStore and while ping returns nil or ErrDegraded. WatchStore
// waits at most one second for the first check, so that a service whose store
// is healthy does not begin as degraded.
func (h *Health) WatchStore(ctx context.Context, ping func(context.Context) error) {
	pingState := func(ctx context.Context) string {
		switch err := ping(ctx); {
		case errors.Is(err, ErrDegraded):
			return degraded
		case err != nil:
			return Unreachable
		}
		return Healthy
	}
	c := startCheck(ctx, storeInterval, pingState, h.dependencyUpSetter("store"))
	firstCtx, cancel := context.WithTimeout(ctx, time.Second)
	defer cancel()
	c.state(firstCtx)
	h.mu.Lock()
	defer h.mu.Unlock()
	h.store = c
}

// WatchDependency checks another service twice a second until ctx ends. probe
// returns Healthy, Unhealthy or Unreachable. The result does not affect
// readiness: an outage of that service must not make every pod of this one
// unready.
func (h *Health) WatchDependency(ctx context.Context, name string, probe func(context.Context) string) {
	c := startCheck(ctx, dependencyInterval, probe, h.dependencyUpSetter(name))
	h.mu.Lock()
	defer h.mu.Unlock()
	h.dependencies[name] = c
}

// SetReady ends the start: from now on only the check of the store determines
// whether the service is ready. After SetDraining it has no effect.
func (h *Health) SetReady() { h.setPhase("") }

// SetDraining makes the service unready permanently.
func (h *Health) SetDraining() { h.setPhase(draining) }

// AwaitHealthy blocks until a check has found the dependency Healthy, or until
// ctx ends. The dependency must be watched; it is checked more often meanwhile.
func (h *Health) AwaitHealthy(ctx context.Context, dependency string) {
	h.mu.Lock()
	c := h.dependencies[dependency]
	h.mu.Unlock()
	c.awaitHealthy(ctx)
}

// Handle serves GET /health. With ready=1 it returns a failure.Unavailable if
// the service is not ready.
func (h *Health) Handle(w http.ResponseWriter, r *http.Request) error {
	query := web.ReadQuery(r.URL)
	ready := query.OneOf("ready", "1")
	if err := query.Err(); err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(r.Context(), firstCheckTimeout)
	defer cancel()
	if ready == "1" {
		if reason := h.unreadyReason(ctx); reason != "" {
			return failure.New(failure.Unavailable, reason)
		}
	}
	return web.JSON(w, http.StatusOK, h.report(ctx))
}

// unreadyReason returns why the service is not ready, or the empty string if it
// is. It waits for the first check of the store, at most until ctx ends.
func (h *Health) unreadyReason(ctx context.Context) string {
	phase, store, _ := h.snapshot()
	switch {
	case phase != "":
		return phase
	case store == nil || store.state(ctx) == Unreachable:
		return "The service cannot reach its database."
	default:
		return ""
	}
}

// readyValue returns the value of service_ready, without waiting for a check.
func (h *Health) readyValue() float64 {
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if h.unreadyReason(ctx) != "" {
		return 0
	}
	return 1
}

// report returns the body of the response. It waits for the first checks, at most
// until ctx ends.
func (h *Health) report(ctx context.Context) report {
	_, store, dependencies := h.snapshot()
	status, storeState := Healthy, Unreachable
	if store != nil {
		storeState = store.state(ctx)
	}
	if storeState != Healthy {
		status = degraded
	}
	states := make(map[string]string, len(dependencies))
	for name, c := range dependencies {
		states[name] = c.state(ctx)
		if states[name] != Healthy {
			status = degraded
		}
	}
	return report{
		Status: status, Service: h.info.Service, Store: storeState, Dependencies: states,
		Timestamp: time.Now().UTC(), Version: h.info.Version,
	}
}

// snapshot returns a copy of the guarded fields.
func (h *Health) snapshot() (phase string, store *check, dependencies map[string]*check) {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.phase, h.store, maps.Clone(h.dependencies)
}

func (h *Health) setPhase(phase string) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.phase != draining {
		h.phase = phase
	}
}

// dependencyUpSetter returns a function that sets dependency_up for a dependency.
func (h *Health) dependencyUpSetter(dependency string) func(state string) {
	gauge := h.dependencyUp.WithLabelValues(dependency)
	return func(state string) {
		if state == Healthy {
			gauge.Set(1)
		} else {
			gauge.Set(0)
		}
	}
}
