package web_test

import (
	"bytes"
	"context"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"tandem/src/chassis/build"
	"tandem/src/chassis/telemetry"
	"tandem/src/chassis/web"
)

// discardWriter is a ResponseWriter that drops the body, so that the benchmark
// measures the router and not a recorder.
type discardWriter struct{ header http.Header }

func (w discardWriter) Header() http.Header         { return w.header }
func (w discardWriter) Write(b []byte) (int, error) { return len(b), nil }
func (w discardWriter) WriteHeader(int)             {}

const newOrder = `{"user_id": 1, "product": "Notebook", "quantity": 2, "price": 899.99}`

// readAndWriteOrder reads the members of newOrder and responds with it.
func readAndWriteOrder(w http.ResponseWriter, r *http.Request) error {
	body, err := web.ReadBody(w, r)
	if err != nil {
		return err
	}
	_, _, _, _ = body.Int("user_id"), body.String("product"), body.Int("quantity"), body.Cents("price")
	if err := body.Err(nil); err != nil {
		return err
	}
	return web.RawJSON(w, http.StatusCreated, bytes.Clone([]byte(newOrder)))
}

func newBenchmarkRouter(b *testing.B, maxInFlight int) *web.Router {
	signals, err := telemetry.New(context.Background(), build.For("bench"), telemetry.LogOptions{Level: "info"},
		func(string) string { return "" }, io.Discard)
	require.NoError(b, err)
	return web.NewRouter(signals, maxInFlight)
}

// BenchmarkRefusal refuses one request.
func BenchmarkRefusal(b *testing.B) {
	router := newBenchmarkRouter(b, 0)
	router.Handle("GET", "/orders/{id}/details", func(http.ResponseWriter, *http.Request) error { panic("served") })
	router.Open()
	r := httptest.NewRequest(http.MethodGet, "/orders/7/details", nil)
	b.ReportAllocs()
	for b.Loop() {
		router.ServeHTTP(discardWriter{http.Header{}}, r)
	}
}

// BenchmarkRouter serves one request through a router with the routes of the
// orders service. The handlers only write a constant body.
func BenchmarkRouter(b *testing.B) {
	router := newBenchmarkRouter(b, 100)
	writeEmptyObject := func(w http.ResponseWriter, _ *http.Request) error { return web.RawJSON(w, http.StatusOK, []byte("{}")) }
	for _, page := range []string{"/", "/docs", "/console/{version}/{file}"} { // come before the API
		router.HandleProbe("GET", page, writeEmptyObject)
	}
	router.HandleProbe("GET", "/health", writeEmptyObject)
	router.Handle("GET", "/version", writeEmptyObject)
	router.HandleProbe("GET", "/metrics", writeEmptyObject)
	router.Handle("GET", "/orders", writeEmptyObject)
	router.Handle("POST", "/orders", readAndWriteOrder)
	router.Handle("GET", "/orders/stats", writeEmptyObject)
	router.Handle("GET", "/orders/{id}", writeEmptyObject)
	router.Handle("PATCH", "/orders/{id}", writeEmptyObject)
	router.Handle("GET", "/orders/{id}/details", func(w http.ResponseWriter, r *http.Request) error {
		if _, err := web.PathID(r, nil); err != nil {
			return err
		}
		return writeEmptyObject(w, r)
	})
	router.Handle("GET", "/openapi.yaml", writeEmptyObject)
	router.Open()
	for name, target := range map[string]string{
		"details": "/orders/7/details", "list": "/orders", "health": "/health", "not found": "/nothing",
	} {
		b.Run(name, func(b *testing.B) {
			r := httptest.NewRequest(http.MethodGet, target, nil)
			b.ReportAllocs()
			for b.Loop() {
				router.ServeHTTP(discardWriter{http.Header{}}, r)
			}
		})
	}
	b.Run("create", func(b *testing.B) {
		r := httptest.NewRequest(http.MethodPost, "/orders", nil)
		r.Header.Set("Content-Type", "application/json")
		r.ContentLength = int64(len(newOrder))
		b.ReportAllocs()
		for b.Loop() {
			r.Body = io.NopCloser(strings.NewReader(newOrder))
			router.ServeHTTP(discardWriter{http.Header{}}, r)
		}
	})
	router.SendServerTiming("orders-service")
	b.Run("details with Server-Timing", func(b *testing.B) {
		r := httptest.NewRequest(http.MethodGet, "/orders/7/details", nil)
		b.ReportAllocs()
		for b.Loop() {
			router.ServeHTTP(discardWriter{http.Header{}}, r)
		}
	})
}
