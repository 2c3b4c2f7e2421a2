package web_test

import (
	"math/rand/v2"
	"net/http"
	"testing"

	"github.com/prometheus/client_golang/prometheus/testutil"
	dto "github.com/prometheus/client_model/go"
	"github.com/stretchr/testify/require"
)

func TestMetrics(t *testing.T) {
	t.Run("have no label value that a caller chooses", func(t *testing.T) {
		s := newService(t)
		for _, method := range []string{"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "CONNECT", "OPTIONS", "TRACE", "ODD"} {
			for _, target := range []string{"/things", "/things/1", "/health", "/nothing"} {
				s.request(method, target)
			}
		}
		series := func() (keys []string) {
			for key := range s.counts(t) {
				keys = append(keys, key)
			}
			return keys
		}
		before := series()
		random := rand.New(rand.NewPCG(1, 2))
		for range 2000 {
			path := "/" + randomText(random, "abcdef0123/.~-_:;@%")
			if random.IntN(2) == 0 {
				path = "/things" + path
			}
			method := randomMethod(random)
			r, err := parseRequest(method, path+"?"+randomText(random, "abc=&%"), randomText(random, "abc/"), randomText(random, "{}[]"))
			if err != nil {
				continue // net/http itself rejects the request
			}
			r.Header.Set("User-Agent", randomText(random, "abc"))
			r.Host = randomText(random, "abc")
			s.serve(r)
		}
		require.ElementsMatch(t, before, series())
		require.LessOrEqual(t, len(before), 40)
	})

	t.Run("follow the naming rules of Prometheus", func(t *testing.T) {
		s := newService(t)
		s.request("GET", "/things")
		problems, err := testutil.GatherAndLint(s.signals.Registry)
		require.NoError(t, err)
		require.Empty(t, problems)
	})

	t.Run("count the same in classic and native histograms", func(t *testing.T) {
		s := newService(t)
		for range 50 {
			s.request("GET", "/things")
		}
		metric := s.family(t, "http_server_request_duration_seconds").GetMetric()[0]
		histogram := metric.GetHistogram()
		require.EqualValues(t, 50, histogram.GetSampleCount())
		buckets := histogram.GetBucket()
		require.EqualValues(t, 50, buckets[len(buckets)-1].GetCumulativeCount())
		require.EqualValues(t, 50, countNative(histogram))
		require.Positive(t, histogram.GetSampleSum())
	})

	t.Run("have an exemplar only for a sampled trace", func(t *testing.T) {
		for name, sampled := range map[string]bool{"sampled": true, "not sampled": false} {
			t.Run(name, func(t *testing.T) {
				s := newService(t)
				if sampled {
					s, _ = newTracedService(t)
				}
				require.Equal(t, http.StatusOK, s.request("GET", "/things").Code)
				var got []string
				for _, bucket := range s.family(t, "http_server_request_duration_seconds").GetMetric()[0].GetHistogram().GetBucket() {
					for _, label := range bucket.GetExemplar().GetLabel() {
						require.Equal(t, "trace_id", label.GetName())
						got = append(got, label.GetValue())
					}
				}
				if !sampled {
					require.Empty(t, got)
					return
				}
				require.Equal(t, []string{s.logLine(t)["trace_id"].(string)}, got)
			})
		}
	})

	t.Run("start at zero for the usual statuses of a route", func(t *testing.T) {
		series := newService(t).series(t)
		for _, key := range []string{"GET /things 200", "GET /things 500", "GET /things 503", "POST /things 201"} {
			require.Contains(t, series, key, "Prometheus sees no increase in a series that begins with an observation")
			require.Zero(t, series[key])
		}
	})
}

// countNative returns the number of observations in the native buckets.
func countNative(histogram *dto.Histogram) (n int64) {
	bucket := int64(0)
	for _, delta := range histogram.GetPositiveDelta() {
		bucket += delta
		n += bucket
	}
	return n + int64(histogram.GetZeroCount())
}
