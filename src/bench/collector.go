package main

import (
	"io"
	"net/http"
	"net/http/httptest"
	"sync/atomic"
)

// collector accepts traces by OTLP over HTTP and throws them away.
type collector struct {
	*httptest.Server
	batches atomic.Int64
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

// env are the settings by which a service keeps one trace in a hundred and
// exports it here.
func (c *collector) env() []string {
	return []string{
		"OTEL_EXPORTER_OTLP_ENDPOINT=" + c.URL,
		"OTEL_TRACES_SAMPLER=parentbased_traceidratio", "OTEL_TRACES_SAMPLER_ARG=0.01",
	}
}
