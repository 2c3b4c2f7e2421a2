package main

import (
	"context"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func TestAlternate(t *testing.T) {
	t.Run("runs contenders in turn and leaves the first round out", func(t *testing.T) {
		h := &harness{options: options{scale: scale{rounds: 2}}}
		order := ""
		contenderNamed := func(name string) contender {
			return contender{run: func(context.Context) (result, error) {
				order += name
				return result{Elapsed: time.Duration(len(order))}, nil
			}}
		}
		rounds, err := h.alternate(t.Context(), contenderNamed("A"), contenderNamed("B"))
		require.NoError(t, err)
		require.Equal(t, "ABABAB", order)
		require.Equal(t, [][]result{{{Elapsed: 3}, {Elapsed: 5}}, {{Elapsed: 4}, {Elapsed: 6}}}, rounds)
	})
	t.Run("passes an error on", func(t *testing.T) {
		h := &harness{options: options{scale: scale{rounds: 2}}}
		_, err := h.alternate(t.Context(), contender{run: func(context.Context) (result, error) { return result{}, errMissed }})
		require.ErrorIs(t, err, errMissed)
	})
}

func TestTogether(t *testing.T) {
	t.Run("runs contenders at the same time and leaves the first round out", func(t *testing.T) {
		h := &harness{options: options{scale: scale{rounds: 2}}}
		meet, serial := make(chan struct{}), [2]int{}
		contenderNumber := func(n int, wait func()) contender {
			return contender{run: func(context.Context) (result, error) {
				wait()
				serial[n]++
				return result{Elapsed: time.Duration(serial[n])}, nil
			}}
		}
		rounds, err := h.together(t.Context(),
			contenderNumber(0, func() { meet <- struct{}{} }), contenderNumber(1, func() { <-meet }))
		require.NoError(t, err)
		require.Equal(t, [][]result{{{Elapsed: 2}, {Elapsed: 3}}, {{Elapsed: 2}, {Elapsed: 3}}}, rounds)
	})
	t.Run("passes an error on", func(t *testing.T) {
		h := &harness{options: options{scale: scale{rounds: 2}}}
		_, err := h.together(t.Context(), contender{run: func(context.Context) (result, error) { return result{}, errMissed }})
		require.ErrorIs(t, err, errMissed)
	})
}

func TestMedian(t *testing.T) {
	values := []float64{9, 1, 4}
	require.InDelta(t, 4, median(values), 0)
	require.Equal(t, []float64{9, 1, 4}, values, "the argument stays as it is")
	require.InDelta(t, 3, median([]float64{4, 1, 9, 2}), 0)
}

func TestTotalCPU(t *testing.T) {
	rounds := []result{
		{CPU: 100 * time.Microsecond, Counts: map[int]int{200: 9, noResponse: 1}},
		{CPU: 500 * time.Microsecond, Counts: map[int]int{200: 10}},
	}
	require.InDelta(t, 30, totalCPU(rounds), 0)
}
