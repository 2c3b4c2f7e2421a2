package browsertest

import (
	"fmt"
	"net/http"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/chromedp"
	"github.com/stretchr/testify/require"
)

// openOrders opens the page of orders, and waits until it shows them.
func openOrders(t *testing.T, address string, l look) *tab {
	t.Helper()
	p := openTab(t, address+"/", l)
	p.awaitText("#orders", "Laptop HP Pavilion")
	p.awaitText("#total", "3")
	p.awaitText("#node-users .tag", "healthy")
	return p
}

func TestOrdersPage(t *testing.T) {
	t.Run("shows health, figures and orders with their users", func(t *testing.T) {
		p := startPair(t)
		page := openOrders(t, p.orders.URL, desktop())
		require.Equal(t, "healthy", page.text("#node-own .tag"))
		require.Equal(t, "healthy", page.text("#node-store .tag"))
		require.Equal(t, "1,400.00", page.text("#revenue"))
		require.Equal(t, "466.67", page.text("#average"))
		require.Contains(t, page.text("#orders"), "Juan Perez")
		require.Equal(t, "#3", evaluate[string](page, `document.querySelector('#orders td').firstChild.data`), "the newest comes first")
		require.NotEmpty(t, page.text("#node-own .pods"))
		require.NotEmpty(t, page.text("#node-users .pods"))
		page.requireClean(p.orders.URL)
	})

	t.Run("filters and turns pages", func(t *testing.T) {
		p := startPair(t)
		for i := range 15 {
			post(t, p.orders.URL+"/orders", fmt.Sprintf(`{"user_id": 2, "product": "Cable %d", "quantity": 1, "price": 1}`, i))
		}
		page := openTab(t, p.orders.URL+"/", desktop())
		page.awaitText("#page-note", "orders 7 to 18")
		page.click("#older")
		page.awaitText("#page-note", "orders 1 to 6")
		page.click("#newest")
		page.awaitText("#page-note", "orders 7 to 18")
		page.set("#filters [name=user_id]", "1")
		page.awaitText("#page-note", "orders 1 to 3")
		page.set("#filters [name=user_id]", "x")
		page.awaitText("#orders-note", "user_id must be")
		page.requireClean(p.orders.URL)
	})

	t.Run("places one order for a double click, and shows the replay", func(t *testing.T) {
		p := startPair(t)
		page := openOrders(t, p.orders.URL, desktop())
		doubleClick(page)
		page.awaitText("#place-note", "Replayed")
		page.awaitText("#calls", "replayed")
		page.awaitText("#orders", "899.99")
		require.Equal(t, 4, p.totalOrders(t))
		page.click("#another")
		page.click("#place button.main")
		page.awaitText("#place-note", "Order 5 for Juan Perez is placed.")
		require.Equal(t, 5, p.totalOrders(t))
		page.requireClean(p.orders.URL)
	})

	t.Run("control: without the key, a double click is two orders", func(t *testing.T) {
		p := startPair(t)
		page := openOrders(t, tampered(t, p.orders, func(r *http.Request) { r.Header.Del("Idempotency-Key") }, nil), desktop())
		doubleClick(page)
		page.await(`document.querySelectorAll('#calls .ok').length >= 4`)
		require.Equal(t, 5, p.totalOrders(t))
	})

	t.Run("shows validation errors beside their fields", func(t *testing.T) {
		p := startPair(t)
		page := openOrders(t, p.orders.URL, desktop())
		page.set("#product", "")
		page.set("#quantity", "0")
		page.set("#price", "cheap")
		page.click("#place button.main")
		page.awaitText("#product-error", "is required")
		page.awaitText("#quantity-error", "must be a whole number from 1")
		page.awaitText("#price-error", "must be a number")
		require.Equal(t, "product-error", evaluate[string](page, `document.activeElement.getAttribute('aria-describedby')`))
		page.set("#product", "Chair")
		page.set("#quantity", "2")
		page.set("#price", "10.50")
		page.set("#user_id", "99")
		page.click("#place button.main")
		page.awaitText("#place-note", "The user 99 does not exist")
		page.set("#user_id", "2")
		page.click("#place button.main")
		page.awaitText("#place-note", "Order 4 for Maria Gonzalez is placed.")
		require.False(t, evaluate[bool](page, `!!document.querySelector('#place .error')`))
		page.requireClean(p.orders.URL)
	})

	t.Run("ships, completes and cancels, as far as the state allows", func(t *testing.T) {
		p := startPair(t)
		page := openOrders(t, p.orders.URL, desktop())
		page.click(`[aria-label="Ship order 2"]`)
		page.awaitText(`#orders tr[data-id="2"] .tag`, "shipped")
		page.click(`[aria-label="Complete order 2"]`)
		page.awaitText(`#orders tr[data-id="2"] .tag`, "completed")
		require.Equal(t, "", page.text(`#orders tr[data-id="2"] .actions`))
		page.click(`[aria-label="Cancel order 3"]`)
		page.awaitText(`#orders tr[data-id="3"] .tag`, "cancelled")
		page.awaitText("#revenue", "1,250.00")
		page.requireClean(p.orders.URL)
	})

	t.Run("shows within 2 s that users is stopped, and within 5 s that it is well again", func(t *testing.T) {
		p := startPair(t)
		page := openOrders(t, p.orders.URL, desktop())
		p.users.stop()
		page.awaitText("#node-users .tag", "no answer", 2*time.Second)
		page.click("#place button.main")
		page.awaitText("#place-note", "The users service does not answer")
		page.awaitText("#orders-note", "Degraded")
		page.awaitText("#orders", "not known at the moment")
		p.users.start()
		page.awaitText("#node-users .tag", "healthy", 5*time.Second)
		page.await(`document.querySelector('#orders-note').hidden`)
		page.awaitText("#orders", "Juan Perez")
		page.requireClean(p.orders.URL)
	})

	t.Run("keeps asking, shows the outcomes, and stops when the page is hidden", func(t *testing.T) {
		p := startPair(t)
		page := openOrders(t, p.orders.URL, desktop())
		page.click("#ask")
		page.await(`Number(document.querySelector('#count-ok').textContent) >= 4`)
		p.users.stop()
		page.await(`Number(document.querySelector('#count-degraded').textContent) >= 30`)
		page.awaitText("#calls", "breaker open")
		require.Equal(t, "Stop", page.text("#ask"))
		page.execute(`Object.defineProperty(document, 'hidden', {value: true, configurable: true});
			document.dispatchEvent(new Event('visibilitychange'))`)
		page.awaitText("#ask", "Start")
		page.requireClean(p.orders.URL)
	})

	t.Run("says that orders does not answer", func(t *testing.T) {
		p := startPair(t)
		page := openOrders(t, p.orders.URL, desktop())
		p.orders.stop()
		page.awaitText("#node-own .tag", "no answer")
		page.awaitText("#node-users .tag", "unknown")
		p.orders.start()
		page.awaitText("#node-own .tag", "healthy")
		page.requireClean(p.orders.URL)
	})

	t.Run("sends at most one request a second while nobody does anything", func(t *testing.T) {
		p := startPair(t)
		page := openOrders(t, p.orders.URL, desktop())
		begin := time.Now()
		const period = 10 * time.Second
		page.await(fmt.Sprintf("performance.now() > %f", evaluate[float64](page, "performance.now()")+period.Seconds()*1000))
		require.LessOrEqual(t, page.requests("/", begin), int(period.Seconds()))
		require.Greater(t, page.requests("/health", begin), 4)
	})
}

// doubleClick places an order by a double click.
func doubleClick(page *tab) {
	page.t.Helper()
	const button = chromedp.CSS("#place button.main")
	require.NoError(page.t, chromedp.Do(page.ctx, chromedp.Click(button), chromedp.Click(button)))
}

const (
	ownParts   = "orders, orders' store"
	usersParts = "users, users' store"
)

// detailsParts keeps asking until there are details, and returns which parts their bars name.
func detailsParts(page *tab) string {
	page.t.Helper()
	page.click("#ask")
	page.await(`[...document.querySelectorAll('#calls li')].some((li) => li.textContent.includes('/details'))`)
	page.click("#ask")
	label := evaluate[string](page, `[...document.querySelectorAll('#calls li')].find((li) => li.textContent.includes('/details'))
		.querySelector('.parts').getAttribute('aria-label')`)
	_, parts, _ := strings.Cut(label, ": ")
	return regexp.MustCompile(` [\d.]+ ms`).ReplaceAllString(parts, "")
}

func TestLastCalls(t *testing.T) {
	t.Run("show where the time went, and the trace", func(t *testing.T) {
		p := startPair(t, "CONSOLE_TRACE_URL=https://jaeger.example.com/trace/{trace_id}")
		page := openOrders(t, p.orders.URL, desktop())
		require.Equal(t, ownParts+", "+usersParts, detailsParts(page))
		link := evaluate[string](page, `document.querySelector('#calls a').href`)
		require.Regexp(t, `^https://jaeger\.example\.com/trace/[0-9a-f]{32}$`, link)
		page.requireClean(p.orders.URL)
	})

	t.Run("control: without users' part of Server-Timing there is none in the bar", func(t *testing.T) {
		p := startPair(t)
		page := openOrders(t, tampered(t, p.orders, nil, func(r *http.Response, body string) string {
			own, _, _ := strings.Cut(r.Header.Get("Server-Timing"), ", users")
			r.Header.Set("Server-Timing", own)
			return body
		}), desktop())
		require.Equal(t, ownParts, detailsParts(page))
	})

	t.Run("show the problem of a call that failed", func(t *testing.T) {
		p := startPair(t)
		page := openOrders(t, p.orders.URL, desktop())
		page.set("#user_id", "99")
		page.click("#place button.main")
		page.awaitText("#calls .note", "The user 99 does not exist")
		page.requireClean(p.orders.URL)
	})
}

func TestSafety(t *testing.T) {
	const product = `<img src=x onerror="window.attacked = true"><b>bold</b>`
	const order = `{"user_id": 1, "product": "<img src=x onerror=\"window.attacked = true\"><b>bold</b>", "quantity": 1, "price": 1}`
	const elements = `document.querySelectorAll('#orders img, #orders b').length`

	t.Run("a product that is HTML is shown as text", func(t *testing.T) {
		p := startPair(t)
		post(t, p.orders.URL+"/orders", order)
		page := openTab(t, p.orders.URL+"/", desktop())
		page.awaitText("#orders", product)
		require.Zero(t, evaluate[int](page, elements))
		require.False(t, evaluate[bool](page, `!!window.attacked`))
		page.requireClean(p.orders.URL)
	})

	t.Run("control: where values enter as HTML, the product becomes elements", func(t *testing.T) {
		p := startPair(t)
		post(t, p.orders.URL+"/orders", order)
		const escaping = "element.append(...children.filter("
		const unescaped = `for (const child of children) {
			if (typeof child === 'string') element.insertAdjacentHTML('beforeend', child); else if (child) element.append(child);
		}
		[].push(...children.filter(`
		changed := false
		page := openTab(t, tampered(t, p.orders, nil, func(_ *http.Response, body string) string {
			changed = changed || strings.Contains(body, escaping)
			return strings.ReplaceAll(body, escaping, unescaped)
		})+"/", desktop())
		page.await(elements + " > 0")
		require.True(t, changed)
	})

	const inject = `(() => {
		const script = document.createElement('script');
		script.textContent = 'window.injected = true';
		document.head.append(script);
		return !!window.injected;
	})()`

	t.Run("an inline script does not run", func(t *testing.T) {
		p := startPair(t)
		for _, address := range []string{p.orders.URL + "/", p.orders.URL + "/docs", p.users.URL + "/", p.users.URL + "/docs"} {
			page := openTab(t, address, desktop())
			require.False(t, evaluate[bool](page, inject), address)
			require.NotEmpty(t, evaluate[[]string](page, "window.violations"), address)
		}
	})

	t.Run("control: without the Content-Security-Policy it runs", func(t *testing.T) {
		p := startPair(t)
		page := openTab(t, tampered(t, p.orders, nil, func(r *http.Response, body string) string {
			r.Header.Del("Content-Security-Policy")
			return body
		})+"/", desktop())
		require.True(t, evaluate[bool](page, inject))
	})
}
