package httpclient

import (
	"context"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/prometheus/client_golang/prometheus"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
)

// BenchmarkGet compares a call by Client with one by a plain http.Client. Both use the same
// server in this process, so the difference is the cost of the layers.
func BenchmarkGet(b *testing.B) {
	body := strings.Repeat("x", 200)
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { io.WriteString(w, body) }))
	b.Cleanup(s.Close)
	b.Run("bare", func(b *testing.B) { benchmarkBare(b, s.URL+"/users/7") })
	b.Run("client", func(b *testing.B) { benchmarkClient(b, s.URL, sdktrace.NeverSample()) })
	b.Run("sampled", func(b *testing.B) { benchmarkClient(b, s.URL, sdktrace.AlwaysSample()) })
}

func benchmarkBare(b *testing.B, url string) {
	c := http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: maxIdleConnsPerHost, DisableCompression: true}}
	defer c.CloseIdleConnections()
	b.ReportAllocs()
	for b.Loop() {
		ctx, cancel := context.WithTimeout(b.Context(), testTimeout)
		req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
		if err != nil {
			b.Fatal(err)
		}
		res, err := c.Do(req)
		if err != nil {
			b.Fatal(err)
		}
		if _, err := io.ReadAll(res.Body); err != nil {
			b.Fatal(err)
		}
		res.Body.Close()
		cancel()
	}
}

func benchmarkClient(b *testing.B, base string, sampler sdktrace.Sampler) {
	provider := sdktrace.NewTracerProvider(sdktrace.WithSampler(sampler))
	tracer := provider.Tracer("bench")
	c := newClient(b, base, func(c *Config) { c.Registry, c.Tracer = prometheus.NewRegistry(), tracer })
	ctx, span := tracer.Start(b.Context(), "caller")
	defer span.End()
	b.ReportAllocs()
	for b.Loop() {
		if _, err := c.Get(ctx, "/users/{id}", "/users/7"); err != nil {
			b.Fatal(err)
		}
	}
}
