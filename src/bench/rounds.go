package main

import (
	"context"
	"fmt"
	"os"
	"slices"
	"time"

	"golang.org/x/sync/errgroup"
)

// contender is one of the things that a benchmark compares.
type contender struct {
	run      func(context.Context) (result, error) // one round
	services *services                             // whose processor time counts; nil: that which a round returns
}

// contender returns the services as a contender under a load.
func (s *services) contender(l load) contender {
	run := func(ctx context.Context) (result, error) { return l.run(ctx), ctx.Err() }
	return contender{run: run, services: s}
}

// alternate runs rounds of the contenders in turn (A B A B …) and returns the
// results of each contender's rounds. The first round of each warms up and is
// left out.
func (h *harness) alternate(ctx context.Context, contenders ...contender) ([][]result, error) {
	return h.inRounds(ctx, contenders, func(run func(i int) error) error {
		for i := range contenders {
			if err := run(i); err != nil {
				return err
			}
		}
		return nil
	})
}

// together does the same, but all contenders run at the same time. What else the
// machine does changes the processor time of all alike, so that ratios of a few
// hundredths can be told from chance.
func (h *harness) together(ctx context.Context, contenders ...contender) ([][]result, error) {
	return h.inRounds(ctx, contenders, func(run func(i int) error) error {
		var group errgroup.Group
		for i := range contenders {
			group.Go(func() error { return run(i) })
		}
		return group.Wait()
	})
}

// inRounds runs rounds in which play runs each contender, given by its index, once.
func (h *harness) inRounds(ctx context.Context, contenders []contender, play func(run func(i int) error) error) ([][]result, error) {
	rounds := make([][]result, len(contenders))
	meters := make([]cpuMeter, len(contenders))
	for i, c := range contenders {
		meters[i].services = c.services
	}
	for n := range h.rounds + 1 {
		fmt.Fprintf(os.Stderr, "bench:   round %d of %d\n", n+1, h.rounds+1)
		err := play(func(i int) error {
			setCPU(rounds[i], meters[i].lap())
			r, err := contenders[i].run(ctx)
			rounds[i] = append(rounds[i], r)
			return err
		})
		if err != nil {
			return nil, err
		}
	}
	for i := range rounds {
		setCPU(rounds[i], meters[i].lap())
		rounds[i] = rounds[i][1:]
	}
	return rounds, nil
}

// setCPU sets the processor time of the last round, if there is one and it is known.
func setCPU(rounds []result, spent time.Duration) {
	if n := len(rounds); n > 0 && spent > 0 {
		rounds[n-1].CPU = spent
	}
}

// cpuMeter measures the processor time that services use from the start of one
// of their rounds to the start of the next. This includes background work after
// a round, such as the export of its traces.
type cpuMeter struct {
	services *services
	last     time.Duration
}

// lap returns the processor time since the last lap; 0 if there are no services
// or if the system has no Linux /proc.
func (m *cpuMeter) lap() time.Duration {
	if m.services == nil {
		return 0
	}
	now := m.services.cpuTime()
	spent := now - m.last
	m.last = now
	return spent
}

// medianRatio returns the median of the ratios of rounds with the same index.
// Two such rounds ran one after the other, so the state of the machine was
// nearly the same.
func medianRatio(numerator, denominator []result, metric func(result) float64) float64 {
	ratios := make([]float64, len(numerator))
	for i := range numerator {
		ratios[i] = metric(numerator[i]) / metric(denominator[i])
	}
	return median(ratios)
}

// totalCPU returns the processor time of a request of all rounds in microseconds. Where the
// contenders run at the same time, no round is worth less than another, and the mean varies
// less than the median.
func totalCPU(rounds []result) float64 {
	var spent time.Duration
	requests := 0
	for _, r := range rounds {
		spent, requests = spent+r.CPU, requests+r.requests()
	}
	return float64(spent.Microseconds()) / float64(requests)
}

// medianOf returns the median of a metric over rounds.
func medianOf(rounds []result, metric func(result) float64) float64 {
	values := make([]float64, len(rounds))
	for i := range rounds {
		values[i] = metric(rounds[i])
	}
	return median(values)
}

// median returns the middle value, or the mean of the two middle ones.
func median(values []float64) float64 {
	sorted := slices.Sorted(slices.Values(values))
	middle := len(sorted) / 2
	if len(sorted)%2 == 0 {
		return (sorted[middle-1] + sorted[middle]) / 2
	}
	return sorted[middle]
}
