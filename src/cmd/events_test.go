package cmd_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// Load of a stand: reads of an order with its user and creations of orders, alternately.
const (
	loadInterval = 5 * time.Millisecond // 200 requests a second
	wellRequests = 100                  // so many responses in succession without a refusal are well
	wellWithin   = 5 * time.Second      // after the cause has ended
)

// stand is an orders process, with a users process, under load. It records what each
// caller sees and what readiness says.
type stand struct {
	orders *process
	client *http.Client
	stop   chan struct{}
	work   sync.WaitGroup

	mu      sync.Mutex
	samples []sample
	probes  []sample // of readiness
}

// sample is one request with its result.
type sample struct {
	begin, end time.Time
	write      bool
	status     int    // 0: there was no response
	location   string // of a created order
	text       string // of an error, or of the body
}

func (s sample) good() bool { return s.status == http.StatusOK || s.status == http.StatusCreated }

// startStand starts both services, orders by launch, and the load. It returns when
// the load runs well.
func startStand(t *testing.T, launch func(env ...string) *process, env ...string) *stand {
	t.Helper()
	users := startReady(t, "users", "SEED_DEMO_DATA=true")
	s := &stand{
		orders: launch(append([]string{"USERS_URL=" + users.url, "SEED_DEMO_DATA=true"}, env...)...),
		client: &http.Client{Timeout: patience, Transport: &http.Transport{MaxIdleConnsPerHost: 256}},
		stop:   make(chan struct{}),
	}
	s.work.Go(s.load)
	s.work.Go(s.probe)
	t.Cleanup(s.close)
	s.awaitWell(t)
	return s
}

// close ends the load and waits for its responses.
func (s *stand) close() {
	select {
	case <-s.stop:
	default:
		close(s.stop)
	}
	s.work.Wait()
}

// load sends requests at the rate, without waiting for responses.
func (s *stand) load() {
	ticker := time.NewTicker(loadInterval)
	defer ticker.Stop()
	for i := 0; ; i++ {
		select {
		case <-s.stop:
			return
		case <-ticker.C:
			s.work.Go(func() { s.send(i) })
		}
	}
}

func (s *stand) send(i int) {
	request, _ := http.NewRequest(http.MethodGet, s.orders.url+"/orders/1/details", nil)
	if i%2 == 1 {
		body := strings.NewReader(fmt.Sprintf(`{"user_id": 1, "product": "load %d", "quantity": 1, "price": 1}`, i))
		request, _ = http.NewRequest(http.MethodPost, s.orders.url+"/orders", body)
		request.Header.Set("Content-Type", "application/json")
		request.Header.Set("Idempotency-Key", fmt.Sprint("load-", i))
	}
	result := s.do(request)
	s.mu.Lock()
	defer s.mu.Unlock()
	s.samples = append(s.samples, result)
}

func (s *stand) do(request *http.Request) sample {
	result := sample{begin: time.Now(), write: request.Method == http.MethodPost}
	response, err := s.client.Do(request)
	if err == nil {
		var body map[string]any
		err = json.NewDecoder(response.Body).Decode(&body)
		_ = response.Body.Close()
		result.status, result.location = response.StatusCode, response.Header.Get("Location")
		result.text, _ = body["error"].(string)
	}
	if err != nil {
		result.text = err.Error()
	}
	result.end = time.Now()
	return result
}

// probe asks for readiness until the stand closes.
func (s *stand) probe() {
	ticker := time.NewTicker(20 * time.Millisecond)
	defer ticker.Stop()
	for {
		select {
		case <-s.stop:
			return
		case <-ticker.C:
		}
		request, _ := http.NewRequest(http.MethodGet, s.orders.url+"/health?ready=1", nil)
		result := s.do(request)
		s.mu.Lock()
		s.probes = append(s.probes, result)
		s.mu.Unlock()
	}
}

// since returns the results of the requests that began at a time or later.
func (s *stand) since(begin time.Time) (samples, probes []sample) {
	s.mu.Lock()
	defer s.mu.Unlock()
	early := func(x sample) bool { return x.begin.Before(begin) }
	return slices.DeleteFunc(slices.Clone(s.samples), early), slices.DeleteFunc(slices.Clone(s.probes), early)
}

// await waits until a result satisfies the condition that began after the time.
func (s *stand) await(t *testing.T, begin time.Time, what string, condition func(sample) bool) {
	t.Helper()
	require.Eventually(t, func() bool {
		samples, _ := s.since(begin)
		return slices.ContainsFunc(samples, condition)
	}, patience, 10*time.Millisecond, "%s: %s", what, s.logEnd())
}

// awaitReadiness waits until readiness has the status, in a probe that began after the time.
func (s *stand) awaitReadiness(t *testing.T, begin time.Time, status int) {
	t.Helper()
	require.Eventually(t, func() bool {
		_, probes := s.since(begin)
		return slices.ContainsFunc(probes, func(p sample) bool { return p.status == status })
	}, patience, 10*time.Millisecond, "readiness %d: %s", status, s.logEnd())
}

// awaitWell waits until the last requests are all well, and the service is ready.
func (s *stand) awaitWell(t *testing.T) {
	t.Helper()
	from := time.Now()
	require.Eventually(t, func() bool {
		samples, probes := s.since(from)
		if len(samples) < wellRequests || len(probes) == 0 || !probes[len(probes)-1].good() {
			return false
		}
		return !slices.ContainsFunc(samples[len(samples)-wellRequests:], func(x sample) bool { return !x.good() })
	}, patience, 10*time.Millisecond, "not well: %s", s.logEnd())
}

// situation is a row of docs/postgresql.md.
type situation struct {
	Situation string // what happens to the database
	Caller    string // what callers see
	Lasts     string // for how long
	Readiness string
	Lost      string // of the acknowledged orders
	Machine   string
	Date      string
}

// finish waits until the stand is well again, ends it and checks what holds in each
// situation: nothing but 503 fails, nothing acknowledged is lost or exists twice, and all
// is well 5 s after the cause has ended. It returns the row with the figures.
func (s *stand) finish(t *testing.T, name string, begin, ended time.Time) situation {
	t.Helper()
	s.awaitWell(t)
	s.close()
	samples, probes := s.since(begin)
	refused := map[bool]int{}
	last := begin
	for _, x := range samples {
		if !x.good() {
			require.Equal(t, http.StatusServiceUnavailable, x.status, "%s", x.text)
			refused[x.write]++
			last = later(last, x.end)
		}
	}
	require.LessOrEqual(t, last.Sub(ended), wellWithin)
	acknowledged, lost := s.countLost(t)
	require.Zero(t, lost)
	row := situation{
		Situation: name, Caller: "no failure", Lasts: "–", Readiness: describeReadiness(probes),
		Lost:    fmt.Sprintf("%d of %d acknowledged orders", lost, acknowledged),
		Machine: fmt.Sprintf("%d cores", runtime.NumCPU()), Date: time.Now().UTC().Format(time.DateOnly),
	}
	if len(refused) > 0 {
		row.Caller = fmt.Sprintf("503 for %d of %d reads and %d of %d creations",
			refused[false], len(samples)/2, refused[true], len(samples)-len(samples)/2)
		row.Lasts = describeTime(last, ended)
	}
	return row
}

// countLost reads every acknowledged order. Each must have a path of its own.
func (s *stand) countLost(t *testing.T) (acknowledged, lost int) {
	t.Helper()
	seen := map[string]bool{}
	samples, _ := s.since(time.Time{})
	for _, x := range samples {
		if x.status != http.StatusCreated {
			continue
		}
		acknowledged++
		require.False(t, seen[x.location], "two orders have the path %s", x.location)
		seen[x.location] = true
		if response, _ := s.orders.get(t, x.location); response.StatusCode != http.StatusOK {
			lost++
		}
	}
	require.NotZero(t, acknowledged)
	return acknowledged, lost
}

func later(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}

// describeReadiness says what readiness was, and for how long it was not 200.
func describeReadiness(probes []sample) string {
	var unready time.Duration
	for i, p := range probes[:len(probes)-1] {
		if !p.good() {
			unready += probes[i+1].begin.Sub(p.begin)
		}
	}
	if unready == 0 {
		return "200"
	}
	return fmt.Sprintf("503 for %.1f s", unready.Seconds())
}

// describeTime says until when requests were refused.
func describeTime(last, ended time.Time) string {
	if !last.After(ended) {
		return "until the cause ends"
	}
	return fmt.Sprintf("until %.1f s after the cause ends", last.Sub(ended).Seconds())
}

// record adds a row to the file that DATABASE_RESULTS names, if it is set, for src/docs.
func record(t *testing.T, row situation) {
	t.Helper()
	t.Logf("%+v", row)
	file := os.Getenv("DATABASE_RESULTS")
	if file == "" {
		return
	}
	var rows []situation
	if text, err := os.ReadFile(file); err == nil {
		require.NoError(t, json.Unmarshal(text, &rows))
	}
	if i := slices.IndexFunc(rows, func(other situation) bool { return other.Situation == row.Situation }); i >= 0 {
		rows[i] = row
	} else {
		rows = append(rows, row)
	}
	text, err := json.MarshalIndent(rows, "", "  ")
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(file, append(text, '\n'), 0o644)) //nolint:gosec // readable by everybody
}

// logEnd returns the last lines of the log of orders.
func (s *stand) logEnd() string {
	text := s.orders.log.String()
	return text[max(0, len(text)-2000):]
}
