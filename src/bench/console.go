package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"
)

const (
	maxConsoleCost   = 1.02 // processor time of the details call with Server-Timing, of that without
	openPages        = 100
	minPagesFactor   = 0.9                     // of the throughput without open pages
	pageInterval     = 1150 * time.Millisecond // between two requests of a page that nobody uses
	maxPaintMillis   = 150                     // later than an empty page
	noBrowserMessage = "the tests in the browser are skipped"
)

// console measures what Server-Timing costs the details call, what open pages leave of its
// throughput, and how soon a browser paints the page.
func console(ctx context.Context, h *harness) ([]row, error) {
	with, without := h.current.deployment(h.collector), h.current.deployment(h.collector)
	without.env = append(slices.Clone(without.env), "CONSOLE=false")
	all, stop, err := h.startDetails(ctx, with, without)
	if err != nil {
		return nil, err
	}
	defer stop()
	alone, off := all[0].contender(detailsLoad(all[0], h.roundDuration)), all[1].contender(detailsLoad(all[1], h.roundDuration))
	precise := *h
	precise.rounds *= 2 // they take as long as rounds in turn
	cost, err := precise.together(ctx, alone, off)
	if err != nil {
		return nil, err
	}
	watched := contender{run: withPages(all[0], alone.run)}
	pages, err := h.alternate(ctx, contender{run: alone.run}, watched)
	if err != nil {
		return nil, err
	}
	stop()
	rows := []row{
		atMost("details call: processor time with the console ÷ without",
			totalCPU(cost[0])/totalCPU(cost[1]), maxConsoleCost, "", failures(cost[0], cost[1])),
		atLeast(fmt.Sprintf("details call: throughput with %d open pages ÷ without", openPages),
			medianRatio(pages[1], pages[0], result.rate), minPagesFactor, failures(pages[0], pages[1])),
	}
	rows[0].value += fmt.Sprintf(" (%.0f ÷ %.0f µs)", totalCPU(cost[0]), totalCPU(cost[1]))
	rows[1].value += fmt.Sprintf(" (%.0f ÷ %.0f/s)", medianOf(pages[1], result.rate), medianOf(pages[0], result.rate))
	painted, err := firstPaint(ctx, h)
	return append(rows, painted...), err
}

// withPages returns a round during which pages are open: plain clients that ask for what a page does.
func withPages(s *services, run func(context.Context) (result, error)) func(context.Context) (result, error) {
	return func(ctx context.Context) (result, error) {
		watching, stop := context.WithCancel(ctx)
		var pages sync.WaitGroup
		transport := &http.Transport{}
		defer transport.CloseIdleConnections()
		for i := range openPages {
			pages.Go(func() { openPage(watching, http.Client{Transport: transport}, s.orders.address, i) })
		}
		defer pages.Wait()
		defer stop()
		return run(ctx)
	}
}

// openPage asks for what the page of orders asks for until ctx ends. Pages begin at different times.
func openPage(ctx context.Context, client http.Client, address string, number int) {
	const list, stats, health = "/orders?limit=12&expand=user&sort=-id", "/orders/stats", "/health"
	paths := []string{list, stats, health, list, health, health, stats, health, list, health}
	select {
	case <-ctx.Done():
	case <-time.After(pageInterval * time.Duration(number) / openPages):
	}
	for i := 0; ctx.Err() == nil; i++ {
		request, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+address+paths[i%len(paths)], http.NoBody)
		if err != nil {
			return
		}
		if response, err := client.Do(request); err == nil {
			_, _ = io.Copy(io.Discard, response.Body)
			_ = response.Body.Close()
		}
		select {
		case <-ctx.Done():
		case <-time.After(pageInterval):
		}
	}
}

// firstPaint measures how soon a browser paints the page of orders, with an empty and with a large store.
func firstPaint(ctx context.Context, h *harness) (rows []row, err error) {
	var all []*services
	defer func() { stopAll(all) }()
	pages := map[string]string{}
	for _, n := range []int{0, h.largeStore} {
		s, err := sqliteEngine().startFilled(ctx, h, h.current.deployment(nil), fillForList(n))
		if err != nil {
			return nil, err
		}
		all = append(all, s)
		pages[fmt.Sprintf("%d orders", n)] = "http://" + s.orders.address + "/"
	}
	medians, err := paintTimes(ctx, h, pages)
	if err != nil {
		return nil, err
	}
	if medians == nil {
		return []row{note("first paint of the page", "there is no browser")}, nil
	}
	for _, n := range []int{0, h.largeStore} {
		name := fmt.Sprintf("%d orders", n)
		r := atMost("first paint of the page with "+name+", later than that of an empty page",
			medians[name]-medians["empty page"], maxPaintMillis, " ms", "")
		r.value += fmt.Sprintf(" (%.0f − %.0f ms)", medians[name], medians["empty page"])
		rows = append(rows, r)
	}
	return rows, nil
}

// paintTimes runs a browser, which is in a module of its own, and returns the median time by page in
// milliseconds, or nil if there is no browser.
func paintTimes(ctx context.Context, h *harness, pages map[string]string) (medians map[string]float64, err error) {
	result := filepath.Join(h.dir, "paint.json")
	addresses, err := json.Marshal(pages)
	if err != nil {
		return nil, err
	}
	root, err := exec.CommandContext(ctx, "go", "list", "-m", "-f", "{{.Dir}}").Output()
	if err != nil {
		return nil, err
	}
	command := exec.CommandContext(ctx, "go", "test", "-count=1", "-run", "^TestFirstPaint$", ".")
	command.Dir = filepath.Join(strings.TrimSpace(string(root)), "src/browsertest")
	command.Env = append(os.Environ(), "PAINT_PAGES="+string(addresses), "PAINT_RESULT="+result)
	if out, err := command.CombinedOutput(); err != nil && !bytes.Contains(out, []byte(noBrowserMessage)) {
		return nil, fmt.Errorf("measure the first paint: %w: %s", err, out)
	}
	text, err := os.ReadFile(result)
	if errors.Is(err, os.ErrNotExist) {
		return nil, nil
	} else if err != nil {
		return nil, err
	}
	return medians, json.Unmarshal(text, &medians)
}
