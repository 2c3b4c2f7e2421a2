package main

import (
	"context"
	"slices"
)

// side is one of what is compared: one round of it.
type side func(context.Context) (result, error)

// on is the side that puts a load on a process.
func on(l load) side {
	return func(ctx context.Context) (result, error) { return l.run(ctx), ctx.Err() }
}

// alternate runs the sides in turn (A B A B …) and returns, for each, what its
// rounds brought. The first round warms up and is not among them.
func (l *lab) alternate(ctx context.Context, sides ...side) ([][]result, error) {
	rounds := make([][]result, len(sides))
	for round := range 1 + l.rounds {
		for i, run := range sides {
			r, err := run(ctx)
			if err != nil {
				return nil, err
			}
			if round > 0 {
				rounds[i] = append(rounds[i], r)
			}
		}
	}
	return rounds, nil
}

// ratio is the median of the rounds' ratios: the two sides of a round ran one
// after the other, on a machine that did much the same meanwhile.
func ratio(of, to []result, figure func(result) float64) float64 {
	ratios := make([]float64, len(of))
	for i := range of {
		ratios[i] = figure(of[i]) / figure(to[i])
	}
	return median(ratios)
}

// middle is the median of a figure over rounds.
func middle(of []result, figure func(result) float64) float64 {
	figures := make([]float64, len(of))
	for i := range of {
		figures[i] = figure(of[i])
	}
	return median(figures)
}

func median(figures []float64) float64 {
	slices.Sort(figures)
	return figures[len(figures)/2]
}
