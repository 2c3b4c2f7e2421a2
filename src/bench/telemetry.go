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
	minTelemetryFactor = 0.8 // of the throughput without telemetry
	maxHungMegabytes   = 128 // of a service whose collector hangs
)

// telemetryCost compares the details call with all telemetry on (1 % of the
// traces exported, one log line per request, metrics scraped every second) with
// the call without traces, log and scrapes; metrics are always counted. It also
// measures the memory of services that trace every request to a collector that
// hangs.
func telemetryCost(ctx context.Context, h *harness) ([]row, error) {
	hungCollector, err := net.Listen("tcp", "127.0.0.1:0") // accepts connections and never responds
	if err != nil {
		return nil, err
	}
	defer hungCollector.Close()
	all, stop, err := h.startDetails(ctx, h.telemetryDeployments("http://"+hungCollector.Addr().String())...)
	if err != nil {
		return nil, err
	}
	defer stop()
	var contenders []contender
	for _, s := range all {
		contenders = append(contenders, s.contender(detailsLoad(s, h.roundDuration)))
	}
	contenders[0].run = withScrapes(all[0], contenders[0].run)
	rounds, err := h.alternate(ctx, contenders...)
	if err != nil {
		return nil, err
	}
	return telemetryRows(ctx, all[2], rounds[0], rounds[1], rounds[2]), nil
}

// telemetryDeployments returns the services with all telemetry on, the services
// without, and the services whose collector hangs.
func (h *harness) telemetryDeployments(hungCollector string) []deployment {
	complete, without, hung := h.current.deployment(h.collector), h.current.deployment(nil), h.current.deployment(nil)
	without.env = []string{"LOG_LEVEL=error"}
	hung.env = []string{"OTEL_EXPORTER_OTLP_ENDPOINT=" + hungCollector, "OTEL_TRACES_SAMPLER=always_on", "LOG_LEVEL=error"}
	return []deployment{complete, without, hung}
}

func telemetryRows(ctx context.Context, hungServices *services, complete, without, hung []result) []row {
	return []row{
		atLeast("details call: throughput with all telemetry ÷ without traces, log and scrapes",
			medianRatio(complete, without, result.rate), minTelemetryFactor, failures(complete, without)),
		hungServices.users.memory("memory of users after this load, every request traced, collector hangs (RSS)", maxHungMegabytes),
		hungServices.orders.memory("memory of orders after this load, every request traced, collector hangs (RSS)", maxHungMegabytes),
		note("details call: every request traced, collector hangs ÷ without traces, log and scrapes",
			"throughput %.2f%s; dropped spans that orders has counted: %s",
			medianRatio(hung, without, result.rate), inParentheses(failures(hung)), droppedSpans(ctx, hungServices.orders.address)),
	}
}

// droppedSpans returns the number of dropped spans in the metrics of a service.
func droppedSpans(ctx context.Context, address string) string {
	const series = `otel_sdk_processor_span_processed_total{error_type="queue_full"} `
	for line := range strings.Lines(scrape(ctx, address)) {
		if count, ok := strings.CutPrefix(line, series); ok {
			return strings.TrimSpace(count)
		}
	}
	return "unknown"
}

// withScrapes returns a round during which the metrics of both services are
// scraped every second.
func withScrapes(s *services, run func(context.Context) (result, error)) func(context.Context) (result, error) {
	return func(ctx context.Context) (result, error) {
		scraping, stop := context.WithCancel(ctx)
		defer stop()
		go func() {
			for scraping.Err() == nil {
				for _, p := range []*process{s.users, s.orders} {
					scrape(scraping, p.address)
				}
				select {
				case <-scraping.Done():
				case <-time.After(time.Second):
				}
			}
		}()
		return run(ctx)
	}
}

// scrape returns the metrics of a service; empty after an error.
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
