package main

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"time"
)

const (
	leastWithTelemetry = 0.8 // of the throughput without
	mostDeafRSS        = 128 // megabytes
)

// signals compares the details call with everything on (one trace in a
// hundred exported, a log line for each request, metrics scraped every second)
// with neither traces nor log nor scrapes; metrics are always counted. And it
// reads the memory of services whose collector is not there.
func signals(ctx context.Context, l *lab) ([]row, error) {
	complete, silent, deaf := l.released(place{}, place{}), l.released(place{}, place{}), l.released(place{}, place{})
	silent.env = []string{"LOG_LEVEL=error"}
	// A collector that accepts and never answers.
	hanging, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	defer hanging.Close()
	deaf.env = []string{"OTEL_EXPORTER_OTLP_ENDPOINT=http://" + hanging.Addr().String(), "OTEL_TRACES_SAMPLER=always_on", "LOG_LEVEL=error"}
	pairs, stop, err := l.detailsPairs(ctx, complete, silent, deaf)
	if err != nil {
		return nil, err
	}
	defer stop()
	var sides []side
	for _, pair := range pairs {
		sides = append(sides, on(detailsLoad(pair, l.round)))
	}
	sides[0] = scraped(pairs[0], sides[0])
	rounds, err := l.alternate(ctx, sides...)
	if err != nil {
		return nil, err
	}
	dropped := droppedSpans(ctx, pairs[2].orders.address)
	return []row{
		atLeast("details call, throughput with all telemetry ÷ without traces, log and scrapes",
			ratio(rounds[0], rounds[1], result.rate), leastWithTelemetry, failures(append(rounds[0], rounds[1]...))),
		pairs[2].users.memory("memory of users after that load, each request traced, collector dead (RSS)", mostDeafRSS),
		pairs[2].orders.memory("memory of orders after that load, each request traced, collector dead (RSS)", mostDeafRSS),
		note("details call, each traced, collector dead", "throughput %.2f of that without traces%s; spans dropped by orders and counted: %s",
			ratio(rounds[2], rounds[1], result.rate), inBrackets(failures(rounds[2])), dropped),
	}, nil
}

// droppedSpans is what a service's metrics say of it.
func droppedSpans(ctx context.Context, address string) string {
	const line = `otel_sdk_processor_span_processed_total{error_type="queue_full"} `
	for text := range strings.Lines(scrape(ctx, address)) {
		if count, ok := strings.CutPrefix(text, line); ok {
			return strings.TrimSpace(count)
		}
	}
	return "not counted"
}

// scraped is a side during which both services are scraped.
func scraped(p *pair, s side) side {
	return func(ctx context.Context) (result, error) {
		scraping, stop := context.WithCancel(ctx)
		defer stop()
		go func() {
			for scraping.Err() == nil {
				for _, service := range []*process{p.users, p.orders} {
					scrape(scraping, service.address)
				}
				select {
				case <-scraping.Done():
				case <-time.After(time.Second):
				}
			}
		}()
		return s(ctx)
	}
}

// scrape gives a service's metrics, or nothing.
func scrape(ctx context.Context, address string) string {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, fmt.Sprintf("http://%s/metrics", address), http.NoBody)
	if err != nil {
		return ""
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return ""
	}
	defer response.Body.Close()
	text, _ := io.ReadAll(response.Body)
	return string(text)
}
