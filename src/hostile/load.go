package main

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

// load sends ordinary requests, and looks at the health and the memory of a service.
type load struct {
	target  target
	rate    int // requests a second
	client  *http.Client
	serial  atomic.Int64
	mu      sync.Mutex
	results results
}

// results are what a load has seen.
type results struct {
	durations []time.Duration
	failures  []string
	health    time.Duration // the longest response time of /health
	memory    int64         // the largest resident memory in bytes
}

func newLoad(t target, rate int) *load {
	return &load{target: t, rate: rate, client: &http.Client{Timeout: 10 * time.Second, Transport: &http.Transport{MaxIdleConnsPerHost: 100}}}
}

// run sends requests until ctx ends and returns the results.
func (l *load) run(ctx context.Context) results {
	l.results = results{}
	var requests sync.WaitGroup
	tick := time.NewTicker(time.Second / time.Duration(l.rate))
	defer tick.Stop()
	for i := 0; ctx.Err() == nil; i++ {
		requests.Go(func() { l.request(i) })
		if i%(l.rate/4+1) == 0 {
			requests.Go(l.observe)
		}
		<-tick.C
	}
	requests.Wait()
	slices.Sort(l.results.durations)
	return l.results
}

func (r results) percentile(p float64) time.Duration {
	return r.durations[min(int(float64(len(r.durations))*p), len(r.durations)-1)]
}

// request sends one ordinary request; each fifth has a connection of its own.
func (l *load) request(i int) {
	method, path, body := http.MethodGet, l.target.reads[i%len(l.target.reads)], ""
	n := l.serial.Add(1)
	if i%4 == 0 {
		method, path, body = http.MethodPost, l.target.create, l.target.body(n)
	}
	began := time.Now()
	err := l.send(method, path, body, n, i%5 == 0)
	l.mu.Lock()
	defer l.mu.Unlock()
	l.results.durations = append(l.results.durations, time.Since(began))
	if err != nil {
		l.results.failures = append(l.results.failures, err.Error())
	}
}

func (l *load) send(method, path, body string, key int64, ownConnection bool) error {
	_, err := l.exchange(method, path, body, key, ownConnection)
	return err
}

// exchange sends a request and returns the body of its response.
func (l *load) exchange(method, path, body string, key int64, ownConnection bool) ([]byte, error) {
	request, err := http.NewRequest(method, "http://"+l.target.address+path, strings.NewReader(body))
	if err != nil {
		return nil, err
	}
	if body != "" {
		request.Header.Set("Content-Type", "application/json")
		request.Header.Set("Idempotency-Key", fmt.Sprint("hostile-", key))
	}
	request.Close = ownConnection
	response, err := l.client.Do(request)
	if err != nil {
		return nil, err
	}
	defer response.Body.Close()
	text, err := io.ReadAll(response.Body)
	if err == nil && response.StatusCode >= http.StatusBadRequest {
		err = fmt.Errorf("%s %s: %d %s", method, path, response.StatusCode, text)
	}
	return text, err
}

// settle is the time in which a service has closed connections that its clients have closed.
const settle = time.Second

// poolSize is at least the number of connections that a service keeps to its database.
const poolSize = 16

// fillPools sends requests at the same time, so that the service has the connections to
// its database and to users that it keeps.
func (l *load) fillPools() {
	var requests sync.WaitGroup
	for range poolSize {
		for _, path := range l.target.reads {
			requests.Go(func() { _ = l.send(http.MethodGet, path, "", 0, false) })
		}
	}
	requests.Wait()
}

// held returns the files and goroutines of the service without connections of this load.
func (l *load) held() (files, goroutines int) {
	l.client.CloseIdleConnections()
	return l.target.files(), l.target.goroutines()
}

// observe measures /health on a new connection, as a probe does, and the memory.
func (l *load) observe() {
	began := time.Now()
	err := l.send(http.MethodGet, "/health", "", 0, true)
	duration := time.Since(began)
	memory := l.target.memory()
	l.mu.Lock()
	defer l.mu.Unlock()
	l.results.health = max(l.results.health, duration)
	l.results.memory = max(l.results.memory, memory)
	if err != nil {
		l.results.failures = append(l.results.failures, err.Error())
	}
}
