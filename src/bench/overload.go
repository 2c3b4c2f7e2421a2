package main

import (
	"context"
	"fmt"
	"net/http"
	"runtime"
	"slices"
	"strings"
	"time"
)

const (
	// closedLoopConnections are 16 times as many as saturate the services, and
	// four times as many as the requests that orders serves at the same time.
	closedLoopConnections = 16 * connections
	openLoopFactor        = 4 // times the peak throughput
	// openLoopConnections are enough to offer that rate while requests wait.
	openLoopConnections = 2048
	minOfferedFactor    = 3.6 // of the peak; with less, the open loop says nothing
	healthInterval      = 10 * time.Millisecond
	maxHealthMillis     = 100
)

// overload compares the goodput of the details call under overload with its
// goodput at saturation, and checks /health meanwhile. It uses two loads: a
// closed loop of many clients, each of which waits for its response, and an
// open loop that sends requests at four times the peak rate.
//
// On one machine the generator takes processor time from the services.
// Therefore the generator is a process of its own, and generator and services
// have half of the processors each, also at saturation. If taskset(1) is
// missing, both use all processors and the table says so.
func overload(ctx context.Context, h *harness) ([]row, error) {
	d, err := h.withDetailsData(ctx, h.current.deployment(h.collector))
	if err != nil {
		return nil, err
	}
	var generatorCPUs cpuSet
	d.cpus, generatorCPUs = splitCPUs(ctx)
	s, err := d.start(ctx)
	if err != nil {
		return nil, err
	}
	defer s.stop()
	o := &overloader{harness: h, services: s, cpus: generatorCPUs}
	var closedLoop, openLoop healthStats
	rounds, err := h.alternate(ctx,
		contender{run: o.saturate},
		contender{run: o.withHealthChecks(&closedLoop, o.closedLoop)},
		contender{run: o.withHealthChecks(&openLoop, o.openLoop)})
	if err != nil {
		return nil, err
	}
	rows := o.rows("a closed loop of 16 × the connections", rounds[0], rounds[1], closedLoop, 0)
	return append(rows, o.rows("an open loop of 4 × the rate", rounds[0], rounds[2], openLoop, minOfferedFactor)...), nil
}

// overloader puts loads on services from a process of its own.
type overloader struct {
	harness  *harness
	services *services
	cpus     cpuSet  // of the generator
	peak     float64 // goodput of the last round at saturation, per second
}

// saturate runs as much load as the services can serve.
func (o *overloader) saturate(ctx context.Context) (result, error) {
	r, err := detailsLoad(o.services, o.harness.roundDuration).runInProcess(ctx, o.cpus)
	o.peak = r.rate()
	return r, err
}

func (o *overloader) closedLoop(ctx context.Context) (result, error) {
	l := detailsLoad(o.services, o.harness.overloadDuration)
	l.Connections = closedLoopConnections
	return l.runInProcess(ctx, o.cpus)
}

func (o *overloader) openLoop(ctx context.Context) (result, error) {
	l := detailsLoad(o.services, o.harness.overloadDuration)
	l.Rate, l.Connections = openLoopFactor*o.peak, openLoopConnections
	return l.runInProcess(ctx, o.cpus)
}

// healthStats are the results of the health checks during a load.
type healthStats struct {
	latencies []time.Duration // of successful checks
	failed    int
}

// withHealthChecks returns a round during which the health of orders is checked.
func (o *overloader) withHealthChecks(
	stats *healthStats, run func(context.Context) (result, error),
) func(context.Context) (result, error) {
	return func(ctx context.Context) (result, error) {
		checking, stop := context.WithCancel(ctx)
		stopped := make(chan struct{})
		go func() { defer close(stopped); o.checkHealth(checking, stats) }()
		r, err := run(ctx)
		stop()
		<-stopped
		return r, err
	}
}

// checkHealth checks the health of orders at an interval until ctx ends.
func (o *overloader) checkHealth(ctx context.Context, stats *healthStats) {
	ticker := time.NewTicker(healthInterval)
	defer ticker.Stop()
	for ctx.Err() == nil {
		begin := time.Now()
		err := checkHealth(ctx, "http://"+o.services.orders.address+"/health")
		if err != nil && ctx.Err() == nil {
			stats.failed++
		} else if err == nil {
			stats.latencies = append(stats.latencies, time.Since(begin))
		}
		<-ticker.C
	}
}

func (o *overloader) rows(kind string, peak, overloaded []result, stats healthStats, minOffered float64) []row {
	what := "details call overloaded by " + kind
	if o.cpus == "" {
		what += ", generator on the same processors"
	}
	failed := failuresExcept([]int{http.StatusServiceUnavailable}, peak, overloaded)
	offered := medianRatio(overloaded, peak, result.offered)
	if offered < minOffered {
		// All connections wait for a response, so the rate was not reached.
		failed = strings.TrimPrefix(fmt.Sprintf("%s, only %.1f × the peak was offered", failed, offered), ", ")
	}
	unsuccessful := failures(overloaded)
	if unsuccessful == "" {
		unsuccessful = "none"
	}
	return []row{
		atLeast(what+": goodput ÷ peak", medianRatio(overloaded, peak, result.rate), 0.8, failed),
		stats.row(what),
		note(what+": absolute values", "peak %.0f/s; offered %.1f × the peak; goodput %.0f/s, p99 %.0f ms; unsuccessful requests: %s",
			medianOf(peak, result.rate), offered, medianOf(overloaded, result.rate), medianOf(overloaded, result.p99), unsuccessful),
	}
}

func (s healthStats) row(what string) row {
	slices.Sort(s.latencies)
	failed := ""
	if s.failed > 0 {
		failed = fmt.Sprintf("%d health checks", s.failed)
	}
	r := atMost(what+": slowest GET /health of orders", percentile(s.latencies, 1), maxHealthMillis, " ms", failed)
	r.value += fmt.Sprintf(" (p99 %.1f ms of %d)", percentile(s.latencies, 0.99), len(s.latencies))
	return r
}

// splitCPUs returns half of the processors for the services and the other half
// for the generator. Both are empty, which means all processors, if there is
// only one or if taskset(1) is missing.
func splitCPUs(ctx context.Context) (services, generator cpuSet) {
	n := runtime.NumCPU()
	services = cpuSet(fmt.Sprintf("0-%d", (n-1)/2))
	generator = cpuSet(fmt.Sprintf("%d-%d", (n+1)/2, n-1))
	for _, half := range []cpuSet{services, generator} {
		if n < 2 || half.command(ctx, []string{"true"}).Run() != nil {
			return "", ""
		}
	}
	return services, generator
}
