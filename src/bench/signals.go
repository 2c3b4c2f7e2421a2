package main

import (
	"context"
	"fmt"
	"io"
	"net/http"
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
	deaf.env = []string{"OTEL_EXPORTER_OTLP_ENDPOINT=http://127.0.0.1:9", "OTEL_TRACES_SAMPLER=always_on", "LOG_LEVEL=error"}
	var pairs []*pair
	var sides []side
	for _, program := range []program{complete, silent, deaf} {
		data, err := l.detailsData(ctx)
		if err != nil {
			return nil, err
		}
		program.usersAt, program.ordersAt = data, data
		pair, err := program.start(ctx)
		if err != nil {
			return nil, err
		}
		defer pair.stop()
		pairs = append(pairs, pair)
		sides = append(sides, on(detailsLoad(pair, l.round)))
	}
	sides[0] = scraped(pairs[0], sides[0])
	rounds, err := l.alternate(ctx, sides...)
	if err != nil {
		return nil, err
	}
	return []row{
		atLeast("details call, throughput with all telemetry ÷ without traces, log and scrapes",
			ratio(rounds[0], rounds[1], result.rate), leastWithTelemetry, failures(append(rounds[0], rounds[1]...))),
		pairs[2].users.memory("memory of users after that load, each request traced, collector dead (RSS)", mostDeafRSS),
		pairs[2].orders.memory("memory of orders after that load, each request traced, collector dead (RSS)", mostDeafRSS),
	}, nil
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

func scrape(ctx context.Context, address string) {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, fmt.Sprintf("http://%s/metrics", address), http.NoBody)
	if err != nil {
		return
	}
	if response, err := http.DefaultClient.Do(request); err == nil {
		_, _ = io.Copy(io.Discard, response.Body)
		_ = response.Body.Close()
	}
}
