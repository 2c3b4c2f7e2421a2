package main

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"path/filepath"
	"time"

	"tandem/src/chassis/httpclient"
)

const (
	connections  = 32 // that saturate the services
	detailUsers  = 1_000
	detailOrders = 10_000

	maxSaturatedMegabytes = 60 // of a service at saturation
)

// details compares the details call through both services, with all telemetry
// on, with the baseline.
func details(ctx context.Context, h *harness) ([]row, error) {
	exportedBefore := h.collector.batches.Load()
	deployments, err := h.detailsDeployments(ctx)
	if err != nil {
		return nil, err
	}
	all, stop, err := h.startDetails(ctx, deployments...)
	if err != nil {
		return nil, err
	}
	defer stop()
	rounds, err := h.alternateDetails(ctx, connections, all...)
	if err != nil {
		return nil, err
	}
	rows := detailsRows(rounds[0], rounds[1], rounds[2], rounds[3])
	rows = append(rows,
		all[1].users.memory("memory of users after this load (RSS)", maxSaturatedMegabytes),
		all[1].orders.memory("memory of orders after this load (RSS)", maxSaturatedMegabytes))
	few, err := h.fewConnections(ctx, all[0], all[1])
	if err != nil {
		return nil, err
	}
	stop() // services export their last traces before they exit
	if h.collector.batches.Load() == exportedBefore {
		return nil, errors.New("the services exported no traces, so the result does not include the cost of tracing")
	}
	return append(rows, few...), nil
}

// alternateDetails alternates rounds of the details call of several services.
func (h *harness) alternateDetails(ctx context.Context, clients int, all ...*services) ([][]result, error) {
	var contenders []contender
	for _, s := range all {
		l := detailsLoad(s, h.roundDuration)
		l.Connections = clients
		contenders = append(contenders, s.contender(l))
	}
	return h.alternate(ctx, contenders...)
}

// fewConnections compares the throughput with that of the baseline while few or no
// look-ups of users can share a call.
func (h *harness) fewConnections(ctx context.Context, baseline, complete *services) (rows []row, err error) {
	for _, few := range []struct {
		connections int
		bound       float64
	}{{8, 0.85}, {1, 0.7}} {
		rounds, err := h.alternateDetails(ctx, few.connections, baseline, complete)
		if err != nil {
			return nil, err
		}
		rows = append(rows, atLeast(fmt.Sprintf("details call: throughput ÷ net/http baseline, connections: %d", few.connections),
			medianRatio(rounds[1], rounds[0], result.rate), few.bound, failures(rounds...)))
	}
	return rows, nil
}

// detailsDeployments returns the baseline, the services with all telemetry on,
// the services without an endpoint for traces, and services that do not share
// look-ups of users.
func (h *harness) detailsDeployments(ctx context.Context) ([]deployment, error) {
	baseline := deployment{
		revision: h.current, usersCommand: selfCommand("baseline-users"), ordersCommand: selfCommand("baseline-orders"),
	}
	complete, untraced := h.current.deployment(h.collector), h.current.deployment(nil)
	if h.profiles != "" {
		baseline.profilePrefix = filepath.Join(h.profiles, "baseline")
	}
	unshared, err := h.withoutMechanisms(ctx, string(httpclient.Sharing))
	return []deployment{baseline, h.profiled(complete, "complete"), untraced, unshared}, err
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

func detailsRows(baseline, complete, untraced, unshared []result) []row {
	const what = "details call: "
	ratios := func(rounds []result) string {
		return fmt.Sprintf("throughput %.2f, p99 %.2f%s",
			medianRatio(rounds, baseline, result.rate), medianRatio(rounds, baseline, result.p99), inParentheses(failures(rounds)))
	}
	rows := []row{
		atLeast(what+"throughput ÷ net/http baseline", medianRatio(complete, baseline, result.rate), 1.15, failures(complete, baseline)),
		atMost(what+"p99 ÷ net/http baseline", medianRatio(complete, baseline, result.p99), 0.9, "", ""),
		note(what+"without shared look-ups ÷ net/http baseline", "%s", ratios(unshared)),
		note(what+"without an endpoint for traces ÷ net/http baseline", "%s", ratios(untraced)),
		note(what+"absolute values", "baseline %.0f/s, p99 %.1f ms; complete %.0f/s, p99 %.1f ms",
			medianOf(baseline, result.rate), medianOf(baseline, result.p99), medianOf(complete, result.rate), medianOf(complete, result.p99)),
	}
	return append(rows, cpuRows(what, baseline, complete, untraced, unshared)...)
}

// cpuRows show the processor time of a call. Other programs on the machine
// change it less than they change the throughput.
func cpuRows(what string, baseline, complete, untraced, unshared []result) []row {
	what += "processor time of both services"
	cost := func(rounds []result) float64 { return medianOf(rounds, result.cpuPerRequest) }
	if cost(baseline) == 0 {
		return []row{note(what, "unknown on this system")}
	}
	return []row{
		atMost(what+" ÷ net/http baseline", medianRatio(complete, baseline, result.cpuPerRequest), 0.85, "", ""),
		note(what, "baseline %.0f µs; complete %.0f µs; without shared look-ups %.0f µs; without an endpoint for traces %.0f µs",
			cost(baseline), cost(complete), cost(unshared), cost(untraced)),
	}
}
