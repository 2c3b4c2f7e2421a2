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
	overloadFactor = 4
	// crowdConnections are sixteen times as many as saturate the services, and
	// four times as many as orders serves at once.
	crowdConnections = 16 * connections
	// floodConnections are as many as offering a rate needs whose requests wait.
	floodConnections = 2048
	leastOffered     = 3.6 // of the peak, for the flood's bound to be judged
	healthEvery      = 10 * time.Millisecond
	mostHealth       = 100 // milliseconds
)

// overload compares the goodput of the details call under more load than the
// services can bear with its goodput at saturation, and asks for /health
// meanwhile. A crowd are many clients that each wait for their answer; a flood
// asks at four times the rate of saturation, whatever becomes of its requests.
//
// Whoever makes the load on the same machine takes the processor from those who
// should answer it. So services and generator have half of the processors each,
// at saturation too, and the generator is a process of its own. Where
// processors cannot be assigned, the table says so.
func overload(ctx context.Context, l *lab) ([]row, error) {
	data, err := l.detailsData(ctx)
	if err != nil {
		return nil, err
	}
	services, generator := halves(ctx)
	program := l.released(data, data)
	program.on = services
	pair, err := program.start(ctx)
	if err != nil {
		return nil, err
	}
	defer pair.stop()
	o := &overloads{lab: l, pair: pair, on: generator}
	var crowd, flood vitals
	rounds, err := l.alternate(ctx, o.saturate, o.probed(&crowd, o.crowd), o.probed(&flood, o.flood))
	if err != nil {
		return nil, err
	}
	rows := o.rows("a crowd of 16 × the connections", rounds[0], rounds[1], crowd, 0)
	return append(rows, o.rows("a flood of 4 × the rate", rounds[0], rounds[2], flood, leastOffered)...), nil
}

// overloads puts more load on a pair of services than they can bear.
type overloads struct {
	lab  *lab
	pair *pair
	on   processors // of the generator
	peak float64    // goodput of the last saturation
}

// vitals are how the services were meanwhile.
type vitals struct {
	health []time.Duration
	unwell int // probes of health that failed
}

// saturate is the side with as much load as the services can bear.
func (o *overloads) saturate(ctx context.Context) (result, error) {
	r, err := detailsLoad(o.pair, o.lab.round).runIn(ctx, o.on)
	o.peak = r.rate()
	return r, err
}

func (o *overloads) crowd(ctx context.Context) (result, error) {
	heavy := detailsLoad(o.pair, o.lab.overload)
	heavy.Connections = crowdConnections
	return heavy.runIn(ctx, o.on)
}

func (o *overloads) flood(ctx context.Context) (result, error) {
	heavy := detailsLoad(o.pair, o.lab.overload)
	heavy.Rate, heavy.Connections = overloadFactor*o.peak, floodConnections
	return heavy.runIn(ctx, o.on)
}

// probed is a side during which orders is asked how it is.
func (o *overloads) probed(v *vitals, side func(context.Context) (result, error)) func(context.Context) (result, error) {
	return func(ctx context.Context) (result, error) {
		probing, stop := context.WithCancel(ctx)
		probed := make(chan struct{})
		go func() { defer close(probed); o.probe(probing, v) }()
		r, err := side(ctx)
		stop()
		<-probed
		return r, err
	}
}

// probe asks orders how it is, again and again until the context ends.
func (o *overloads) probe(ctx context.Context, v *vitals) {
	ticker := time.NewTicker(healthEvery)
	defer ticker.Stop()
	for ctx.Err() == nil {
		begin := time.Now()
		err := healthy(ctx, "http://"+o.pair.orders.address+"/health")
		if err != nil && ctx.Err() == nil {
			v.unwell++
		} else if err == nil {
			v.health = append(v.health, time.Since(begin))
		}
		<-ticker.C
	}
}

func (o *overloads) rows(load string, peak, heavy []result, v vitals, least float64) []row {
	slices.Sort(v.health)
	what := "overload of the details call by " + load
	if o.on == "" {
		what += ", the generator on the same processors"
	}
	unwell := ""
	if v.unwell > 0 {
		unwell = fmt.Sprintf("%d probes", v.unwell)
	}
	health := atMost(what+": slowest GET /health of orders", percentile(v.health, 1), mostHealth, " ms", unwell)
	health.figure += fmt.Sprintf(" (p99 %.1f ms of %d)", percentile(v.health, 0.99), len(v.health))
	refused := failures(heavy)
	if refused == "" {
		refused = "nothing"
	}
	failed := failures(slices.Concat(peak, heavy), http.StatusServiceUnavailable)
	offered := ratio(heavy, peak, result.offered)
	if offered < least {
		// Every connection waits for its answer, so less was asked than meant.
		failed = strings.TrimPrefix(fmt.Sprintf("%s, only %.1f × the peak was offered", failed, offered), ", ")
	}
	return []row{
		atLeast(what+": goodput ÷ peak", ratio(heavy, peak, result.rate), 0.8, failed),
		health,
		note(what+": in figures", "peak %.0f/s; offered %.1f × that, served %.0f/s with p99 %.0f ms, not served %s",
			middle(peak, result.rate), offered, middle(heavy, result.rate), middle(heavy, result.p99), refused),
	}
}

// halves shares the processors out between services and generator; both get
// all of them where taskset is not there or there is only one.
func halves(ctx context.Context) (services, generator processors) {
	n := runtime.NumCPU()
	services = processors(fmt.Sprintf("0-%d", (n-1)/2))
	generator = processors(fmt.Sprintf("%d-%d", (n+1)/2, n-1))
	for _, half := range []processors{services, generator} {
		if n < 2 || half.command(ctx, []string{"true"}).Run() != nil {
			return "", ""
		}
	}
	return services, generator
}
