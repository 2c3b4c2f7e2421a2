package main

import (
	"io"
	"net/http"
	"net/http/httptest"
	"sync/atomic"
)

// collector accepts traces by OTLP over HTTP and discards them.
type collector struct {
	*httptest.Server
	batches atomic.Int64 // received
}

func newCollector() *collector {
	c := &collector{}
	c.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		c.batches.Add(1)
		w.Header().Set("Content-Type", "application/x-protobuf")
	}))
	return c
}

// env returns the environment variables that make a service sample 1 % of its
// traces and export them to the collector. A nil collector has none.
func (c *collector) env() []string {
	if c == nil {
		return nil
	}
	return []string{
		"OTEL_EXPORTER_OTLP_ENDPOINT=" + c.URL,
		"OTEL_TRACES_SAMPLER=parentbased_traceidratio", "OTEL_TRACES_SAMPLER_ARG=0.01",
	}
}
