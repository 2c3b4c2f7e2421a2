package browsertest

import (
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/chromedp"
	"github.com/stretchr/testify/require"
)

// looks are all that the pages are made for.
func looks() map[string]look {
	return map[string]look{
		"desktop-light": {1440, 1000, false}, "desktop-dark": {1440, 1000, true},
		"phone-light": {360, 780, false}, "phone-dark": {360, 780, true},
	}
}

// openFull opens a page and waits until it shows what it has.
func openFull(t *testing.T, p pair, name string, l look) *tab {
	t.Helper()
	switch name {
	case "orders":
		page := openTab(t, p.orders.URL+"/", l)
		page.awaitText("#node-users .tag", "healthy")
		page.awaitText("#total", "9")
		page.awaitText("#orders", "Juan Perez")
		return page
	case "users":
		page := openTab(t, p.users.URL+"/", l)
		page.awaitText("#node-own .tag", "healthy")
		page.awaitText("#users", "Juan Perez")
		return page
	default:
		page := openTab(t, p.orders.URL+"/docs", l)
		page.awaitText(".toc", "List orders")
		return page
	}
}

// startShop starts both services with some more orders.
func startShop(t *testing.T) pair {
	t.Helper()
	p := startPair(t)
	for i, product := range []string{"Standing desk", "Monitor arm", "USB-C dock", "Desk lamp", "Office chair", "Cable tray"} {
		const order = `{"user_id": %d, "product": %q, "quantity": %d, "price": %d.90}`
		post(t, p.orders.URL+"/orders", fmt.Sprintf(order, i%3+1, product, i%4+1, 49+37*i))
	}
	return p
}

func TestAccessibility(t *testing.T) {
	axe, err := os.ReadFile("node_modules/axe-core/axe.min.js")
	if err != nil && os.Getenv("CI") != "true" {
		t.Skip("There is no axe-core: accessibility is not tested. make browser installs it.")
	}
	require.NoError(t, err)
	p := startShop(t)
	for _, name := range []string{"orders", "users", "docs"} {
		for lookName, l := range looks() {
			t.Run(name+" "+lookName, func(t *testing.T) {
				page := openFull(t, p, name, l)
				// What is closed is looked at, too.
				page.execute(`[...document.querySelectorAll('details')].slice(0, 8).forEach((details) => { details.open = true; });
					document.getAnimations().forEach((animation) => animation.finish())`)
				page.execute(string(axe))
				found := evaluate[[]string](page, `axe.run().then((r) => r.violations.map(
					(v) => v.id + ': ' + v.nodes.map((n) => n.html + ' ' + n.failureSummary).join('; ')))`)
				require.Empty(t, found, strings.Join(found, "\n"))
				require.LessOrEqual(t, evaluate[int64](page, "document.documentElement.scrollWidth"), l.width, "the page is wider than the window")
			})
		}
	}
	t.Run("control: axe finds a picture without a text", func(t *testing.T) {
		page := openFull(t, p, "orders", desktop())
		page.execute(`document.querySelector('main').append(new Image())`)
		page.execute(string(axe))
		require.NotEmpty(t, evaluate[[]string](page, `axe.run().then((r) => r.violations.map((v) => v.id))`))
	})
}

// TestScreenshots writes the pictures of the documentation into the folder SCREENSHOTS.
func TestScreenshots(t *testing.T) {
	folder := os.Getenv("SCREENSHOTS")
	if folder == "" {
		t.Skip("make screenshots makes the pictures")
	}
	p := startShop(t)
	host, err := os.Hostname()
	require.NoError(t, err)
	named := func(s *service) *service { // the pictures do not show the machine on which they were made
		return &service{URL: tampered(t, s, nil, func(r *http.Response, body string) string {
			r.Header.Set("Server-Timing", strings.ReplaceAll(r.Header.Get("Server-Timing"), `"`+host+`"`, `"localhost"`))
			return body
		})}
	}
	shown := pair{named(p.users), named(p.orders)}
	for _, picture := range []struct {
		page, look string
		whole      bool // the page, not only the window
	}{
		{"orders", "desktop-light", true}, {"orders", "desktop-dark", true}, {"orders", "phone-light", false}, {"orders", "phone-dark", false},
		{"users", "desktop-light", true}, {"users", "phone-dark", false}, {"docs", "desktop-light", false},
	} {
		t.Run(picture.page+" "+picture.look, func(t *testing.T) {
			page := openFull(t, shown, picture.page, looks()[picture.look])
			if picture.page == "orders" && picture.whole {
				showOutage(page, p.users)
			}
			page.execute(`document.getAnimations().forEach((a) => a.finish()); document.activeElement.blur()`)
			take := chromedp.CaptureScreenshot()
			if picture.whole {
				take = chromedp.FullScreenshot(100)
			}
			content, err := chromedp.Run(page.ctx, take)
			require.NoError(t, err)
			require.NoError(t, os.WriteFile(filepath.Join(folder, picture.page+"-"+picture.look+".png"), content, 0o644))
		})
	}
}

// showOutage keeps asking while users is stopped and started again.
func showOutage(page *tab, users *service) {
	counts := func(outcome string, n int) {
		page.await(fmt.Sprintf(`Number(document.querySelector('#count-%s').textContent) >= %d`, outcome, n), time.Minute)
	}
	page.click("#ask")
	counts("ok", 60)
	users.stop()
	counts("degraded", 24)
	users.start()
	counts("ok", 120)
	users.stop()
	counts("degraded", 26)
	page.click("#ask")
	users.start()
	page.awaitText("#node-users .tag", "healthy")
	page.await(`document.querySelector('#orders-note').hidden`)
	page.execute(`document.querySelector('#calls details').open = true; scrollTo(0, 0)`)
}
