package browsertest

import (
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"slices"
	"testing"

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
			const paint = `performance.getEntriesByName('first-contentful-paint')[0]`
			tab.await(paint)
			times[name] = append(times[name], evaluate[float64](tab, paint+".startTime"))
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
