package browsertest

import (
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"slices"
	"testing"
	"time"

	"github.com/chromedp/chromedp"
	"github.com/stretchr/testify/require"
)

// TestFirstPaint measures for `make bench` how soon the pages in PAINT_PAGES, a JSON object of URLs by name, and an
// empty page are painted. It writes the median of ten by name, in milliseconds, into the file PAINT_RESULT.
func TestFirstPaint(t *testing.T) {
	if os.Getenv("PAINT_PAGES") == "" {
		t.Skip("make bench measures the first paint")
	}
	var pages map[string]string
	require.NoError(t, json.Unmarshal([]byte(os.Getenv("PAINT_PAGES")), &pages))
	empty := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/html")
		_, _ = io.WriteString(w, "<!doctype html><title>empty</title><link rel=icon href=data:,><p>empty")
	}))
	defer empty.Close()
	pages["empty page"] = empty.URL + "/"
	tab := openTab(t, empty.URL+"/", desktop())
	times := map[string][]float64{}
	for range 11 { // the first one warms up
		for name, address := range pages {
			require.NoError(t, chromedp.Do(tab.ctx, chromedp.Navigate(address)))
			times[name] = append(times[name], tab.paintTime())
		}
	}
	medians := map[string]float64{}
	for name, all := range times {
		slices.Sort(all[1:])
		medians[name] = (all[5] + all[6]) / 2
	}
	text, err := json.Marshal(medians)
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(os.Getenv("PAINT_RESULT"), text, 0o600))
}

// paintTime returns when the page was painted, in milliseconds after the beginning of the navigation.
func (p *tab) paintTime() (milliseconds float64) {
	p.t.Helper()
	require.Eventually(p.t, func() (painted bool) {
		const paint = `performance.getEntriesByName('first-contentful-paint')[0]?.startTime ?? 0`
		// An error means that the page has just been replaced.
		milliseconds, _ = chromedp.Run(p.ctx, chromedp.Evaluate[float64](paint))
		return milliseconds > 0
	}, patience*time.Second, 20*time.Millisecond)
	return milliseconds
}
