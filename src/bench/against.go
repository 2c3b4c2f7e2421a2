package main

import (
	"context"
	"errors"
	"fmt"
)

// comparison compares the services of the revision of -against with those of
// the working tree.
type comparison struct {
	what          string // the request, in the table
	before, after *services
	revision      string // of before
}

func (h *harness) comparison(what string, before, after *services) comparison {
	return comparison{what: what, before: before, after: after, revision: h.before.name}
}

// compare alternates rounds of a load on both builds. It returns the rows of
// throughput, p99 and processor time. loadOf returns the load for one of them.
func (c comparison) compare(ctx context.Context, h *harness, loadOf func(*services) load) ([]row, error) {
	before, after, err := c.alternate(ctx, h, loadOf)
	if err != nil {
		return nil, err
	}
	rows := []row{
		c.row("throughput", "/s", before, after, result.rate),
		c.row("p99", " ms", before, after, result.p99),
	}
	const cpu = "processor time of both services per request"
	if medianOf(before, result.cpuPerRequest) == 0 {
		return append(rows, note(c.what+": "+cpu, "unknown on this system")), nil
	}
	return append(rows, c.row(cpu, " µs", before, after, result.cpuPerRequest)), nil
}

// compareOneClient does the same with a single client, so that no request waits
// for another one. It returns the row of p50.
func (c comparison) compareOneClient(ctx context.Context, h *harness, loadOf func(*services) load) (row, error) {
	before, after, err := c.alternate(ctx, h, func(s *services) load {
		l := loadOf(s)
		l.Connections = 1
		return l
	})
	if err != nil {
		return row{}, err
	}
	return c.row("p50 of one client alone", " ms", before, after, result.p50), nil
}

func (c comparison) alternate(ctx context.Context, h *harness, loadOf func(*services) load) (before, after []result, err error) {
	rounds, err := h.alternate(ctx, c.before.contender(loadOf(c.before)), c.after.contender(loadOf(c.after)))
	if err != nil {
		return nil, nil, err
	}
	return rounds[0], rounds[1], nil
}

// row returns the row of a metric, with the medians of both builds and the
// median of the rounds' ratios. It has no bound, because the acceptable ratio
// depends on the change. Failed requests count as a missed bound.
func (c comparison) row(name, unit string, before, after []result, metric func(result) float64) row {
	r := note(fmt.Sprintf("%s: %s ÷ %s", c.what, name, c.revision), "%.3f (before %s, after %s)",
		medianRatio(after, before, metric), withUnit(medianOf(before, metric), unit), withUnit(medianOf(after, metric), unit))
	return r.withFailures(failures(before, after))
}

func withUnit(value float64, unit string) string {
	if value >= 100 {
		return fmt.Sprintf("%.0f%s", value, unit)
	}
	return fmt.Sprintf("%.2f%s", value, unit)
}

// compareAll returns the rows of compare and of compareOneClient.
func (c comparison) compareAll(ctx context.Context, h *harness, loadOf func(*services) load) ([]row, error) {
	rows, err := c.compare(ctx, h, loadOf)
	if err != nil {
		return rows, err
	}
	alone, err := c.compareOneClient(ctx, h, loadOf)
	if err != nil {
		return rows, err
	}
	return append(rows, alone), nil
}

// detailsAgainst compares the details call of two builds.
func detailsAgainst(ctx context.Context, h *harness) ([]row, error) {
	all, stop, err := h.startDetails(ctx, h.before.deployment(h.collector), h.current.deployment(h.collector))
	if err != nil {
		return nil, err
	}
	defer stop()
	loadOf := func(s *services) load { return detailsLoad(s, h.roundDuration) }
	return h.comparison("details call", all[0], all[1]).compareAll(ctx, h, loadOf)
}

// startBuilds starts both builds, each on new storage of the engine that fill
// has filled. The caller must call stop.
func (e engine) startBuilds(ctx context.Context, h *harness, fill fillFunc) (all []*services, stop func(), err error) {
	stop = func() { stopAll(all) }
	for _, r := range []revision{h.before, h.current} {
		s, err := e.startFilled(ctx, h, r.deployment(h.collector), fill)
		if err != nil {
			stop()
			return nil, nil, err
		}
		all = append(all, s)
	}
	return all, stop, nil
}

// postAgainst compares POST /orders of two builds.
func (e engine) postAgainst(ctx context.Context, h *harness) ([]row, error) {
	all, stop, err := e.startBuilds(ctx, h, fillForPost)
	what := "POST /orders on " + e.name
	if errors.Is(err, errNoPostgres) {
		return []row{note(what, "%v", err)}, nil
	} else if err != nil {
		return nil, err
	}
	defer stop()
	loadOf := func(s *services) load { return postLoad(s, h.roundDuration) }
	return h.comparison(what, all[0], all[1]).compareAll(ctx, h, loadOf)
}

// listAgainst compares lists and statistics of a large store of two builds.
func (e engine) listAgainst(ctx context.Context, h *harness) (rows []row, err error) {
	all, stop, err := e.startBuilds(ctx, h, fillForList(h.largeStore))
	if errors.Is(err, errNoPostgres) {
		return []row{note("lists on "+e.name, "%v", err)}, nil
	} else if err != nil {
		return nil, err
	}
	defer stop()
	for _, q := range listQueries() {
		loadOf := func(s *services) load { return q.load(s, h.largeStore, h.roundDuration/3) }
		what := fmt.Sprintf("%s of %d orders on %s", q.name, h.largeStore, e.name)
		more, err := h.comparison(what, all[0], all[1]).compare(ctx, h, loadOf)
		if err != nil {
			return rows, err
		}
		rows = append(rows, more...)
	}
	return rows, nil
}
