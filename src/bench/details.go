package main

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"path/filepath"
	"time"
)

const (
	connections  = 32 // that saturate the services
	detailUsers  = 1_000
	detailOrders = 10_000
)

// details compares the details call through both services, with all telemetry
// on, with the baseline.
func details(ctx context.Context, h *harness) ([]row, error) {
	exportedBefore := h.collector.batches.Load()
	all, stop, err := h.startDetails(ctx, h.detailsDeployments()...)
	if err != nil {
		return nil, err
	}
	defer stop()
	var contenders []contender
	for _, s := range all {
		contenders = append(contenders, s.contender(detailsLoad(s, h.roundDuration)))
	}
	rounds, err := h.alternate(ctx, contenders...)
	if err != nil {
		return nil, err
	}
	stop() // services export their last traces before they exit
	if h.collector.batches.Load() == exportedBefore {
		return nil, errors.New("the services exported no traces, so the result does not include the cost of tracing")
	}
	return detailsRows(rounds[0], rounds[1], rounds[2]), nil
}

// detailsDeployments returns the baseline, the services with all telemetry on,
// and the services without an endpoint for traces.
func (h *harness) detailsDeployments() []deployment {
	baseline := deployment{
		revision: h.current, usersCommand: selfCommand("baseline-users"), ordersCommand: selfCommand("baseline-orders"),
	}
	complete, untraced := h.current.deployment(h.collector), h.current.deployment(nil)
	if h.profiles != "" {
		baseline.profilePrefix = filepath.Join(h.profiles, "baseline")
	}
	return []deployment{baseline, h.profiled(complete, "complete"), untraced}
}

// profiled returns the deployment with services that write profiles with the given
// prefix, if the harness has a folder for profiles.
func (h *harness) profiled(d deployment, prefix string) deployment {
	if h.profiles != "" {
		d.usersCommand, d.ordersCommand = selfCommand("users"), selfCommand("orders")
		d.profilePrefix = filepath.Join(h.profiles, prefix)
	}
	return d
}

// startDetails starts deployments, each on storage of its own, because only one
// process at a time can open a SQLite file. The caller must call stop; it may
// do so twice.
func (h *harness) startDetails(ctx context.Context, deployments ...deployment) (all []*services, stop func(), err error) {
	stop = func() { stopAll(all) }
	for _, d := range deployments {
		var s *services
		d, err = h.withDetailsData(ctx, d)
		if err == nil {
			s, err = d.start(ctx)
		}
		if err != nil {
			stop()
			return nil, nil, err
		}
		all = append(all, s)
	}
	return all, stop, nil
}

// withDetailsData returns the deployment on new SQLite storage that has users
// and their orders.
func (h *harness) withDetailsData(ctx context.Context, d deployment) (deployment, error) {
	folder, err := h.newSQLite()
	if err != nil {
		return d, err
	}
	d.users, d.orders = folder, folder
	if err := d.createSchema(ctx); err != nil {
		return d, err
	}
	return d, errors.Join(folder.fillUsers(ctx, detailUsers), folder.fillOrders(ctx, detailOrders, detailUsers))
}

func detailsLoad(s *services, d time.Duration) load {
	l := load{Address: s.orders.address, Want: http.StatusOK, Degraded: []byte(`"failed"`), Connections: connections, Duration: d}
	for i := range detailOrders {
		id := 1 + i*7919%detailOrders // 7919 is prime, so this visits every order
		l.Requests = append(l.Requests, getRequest(fmt.Sprintf("/orders/%d/details", id)))
	}
	return l
}

func detailsRows(baseline, complete, untraced []result) []row {
	const what = "details call: "
	return []row{
		atLeast(what+"throughput ÷ net/http baseline", medianRatio(complete, baseline, result.rate), 0.75, failures(complete, baseline)),
		atMost(what+"p99 ÷ net/http baseline", medianRatio(complete, baseline, result.p99), 1.5, "", ""),
		note(what+"without an endpoint for traces ÷ net/http baseline", "throughput %.2f, p99 %.2f%s",
			medianRatio(untraced, baseline, result.rate), medianRatio(untraced, baseline, result.p99), inParentheses(failures(untraced))),
		note(what+"absolute values", "baseline %.0f/s, p99 %.1f ms; complete %.0f/s, p99 %.1f ms",
			medianOf(baseline, result.rate), medianOf(baseline, result.p99), medianOf(complete, result.rate), medianOf(complete, result.p99)),
		cpuRow(what, baseline, complete, untraced),
	}
}

// cpuRow shows the processor time of a call. Other programs on the machine
// change it less than they change the throughput.
func cpuRow(what string, baseline, complete, untraced []result) row {
	what += "processor time of both services"
	cost := func(rounds []result) float64 { return medianOf(rounds, result.cpuPerRequest) }
	if cost(baseline) == 0 {
		return note(what, "unknown on this system")
	}
	return note(what, "baseline %.0f µs; complete %.0f µs (baseline ÷ complete is %.2f); without an endpoint for traces %.0f µs",
		cost(baseline), cost(complete), cost(baseline)/cost(complete), cost(untraced))
}
