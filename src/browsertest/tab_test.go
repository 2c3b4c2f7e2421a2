package browsertest

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/cdproto/network"
	"github.com/chromedp/cdproto/page"
	"github.com/chromedp/cdproto/runtime"
	"github.com/chromedp/chromedp"
	"github.com/stretchr/testify/require"
)

// tab is a tab of the browser, and what a page must not do.
type tab struct {
	t       *testing.T
	ctx     context.Context
	mu      sync.Mutex
	faults  []string    // uncaught exceptions, and what the page has logged by console.error
	fetched []string    // URLs of all requests
	times   []time.Time // of the requests
}

// look is how a person looks at a page.
type look struct {
	width, height int64
	dark          bool
}

// desktop is the usual look.
func desktop() look { return look{1440, 1000, false} }

// openTab opens a page. At the end of the test, the page must have done nothing that it must not do.
func openTab(t *testing.T, address string, l look) *tab {
	t.Helper()
	ctx, closeTab := chromedp.NewContext(shared.browser)
	t.Cleanup(closeTab)
	p := &tab{t: t, ctx: ctx}
	require.NoError(t, chromedp.Listen(ctx, p.observe))
	scheme := "light"
	if l.dark {
		scheme = "dark"
	}
	const recordViolations = `window.violations = [];
		document.addEventListener('securitypolicyviolation', (event) => violations.push(event.violatedDirective + ' ' + event.blockedURI));`
	require.NoError(t, chromedp.Do(ctx,
		command(network.Enable, network.EnableParams{}),
		command(emulation.SetDeviceMetricsOverride, emulation.SetDeviceMetricsOverrideParams{
			Width: l.width, Height: l.height, DeviceScaleFactor: 1, Mobile: l.width < 500,
		}),
		command(emulation.SetEmulatedMedia, emulation.SetEmulatedMediaParams{
			Features: []*emulation.MediaFeature{{Name: "prefers-color-scheme", Value: scheme}},
		}),
		command(emulation.SetTimezoneOverride, emulation.SetTimezoneOverrideParams{TimezoneID: "UTC"}),
		command(page.AddScriptToEvaluateOnNewDocument, page.AddScriptToEvaluateOnNewDocumentParams{Source: recordViolations}),
		chromedp.Navigate(address)))
	return p
}

// command is an action that sends a command of the DevTools protocol.
func command[P, R any](cmd cdp.Command[P, R], params P) chromedp.Action[chromedp.Void] {
	return chromedp.Func(func(ctx context.Context, t *chromedp.Target) error {
		_, err := cdp.Call(ctx, t, cmd, params)
		return err
	})
}

func (p *tab) observe(event any) {
	p.mu.Lock()
	defer p.mu.Unlock()
	switch event := event.(type) {
	case *runtime.EventExceptionThrown:
		p.faults = append(p.faults, "exception: "+event.ExceptionDetails.Text)
	case *runtime.EventConsoleAPICalled:
		if event.Type == runtime.ConsoleAPICalledTypeError {
			p.faults = append(p.faults, fmt.Sprint("console.error: ", event.Args))
		}
	case *network.EventRequestWillBeSent:
		p.fetched = append(p.fetched, event.Request.URL)
		p.times = append(p.times, time.Now())
	}
}

// await waits until an expression of JavaScript is true.
func (p *tab) await(expression string, limit ...time.Duration) {
	p.t.Helper()
	timeout := append(limit, patience*time.Second)[0]
	_, err := chromedp.Run(p.ctx, chromedp.Poll[bool]("!!("+expression+")", chromedp.WithPollingTimeout(timeout),
		chromedp.WithPollingInterval(20*time.Millisecond)))
	if err != nil {
		require.NoError(p.t, err, "%s; the page shows: %s", expression, p.text("body"))
	}
}

// awaitText waits until an element contains a text.
func (p *tab) awaitText(selector, text string, limit ...time.Duration) {
	p.t.Helper()
	p.await(fmt.Sprintf(`document.querySelector(%q)?.textContent.includes(%q)`, selector, text), limit...)
}

// text returns the text of an element.
func (p *tab) text(selector string) string {
	return evaluate[string](p, fmt.Sprintf(`document.querySelector(%q).innerText`, selector))
}

// evaluate returns the value of an expression of JavaScript.
func evaluate[T any](p *tab, expression string) T {
	p.t.Helper()
	value, err := chromedp.Run(p.ctx, chromedp.Evaluate[T](expression, chromedp.EvalAwaitPromise))
	require.NoError(p.t, err, "%.200s", expression)
	return value
}

// execute runs JavaScript, whose value does not matter.
func (p *tab) execute(script string) {
	p.t.Helper()
	evaluate[bool](p, script+"\n; true")
}

// set sets the value of a field, as a person does who types it.
func (p *tab) set(selector, value string) {
	p.t.Helper()
	p.execute(fmt.Sprintf(`document.querySelector(%q).value = ''`, selector))
	require.NoError(p.t, chromedp.Do(p.ctx, chromedp.SendKeys(chromedp.CSS(selector), value+" \b")))
}

// click clicks an element.
func (p *tab) click(selector string) {
	p.t.Helper()
	require.NoError(p.t, chromedp.Do(p.ctx, chromedp.Click(chromedp.CSS(selector))))
}

// requireClean fails the test unless the page has thrown nothing, logged no error, violated no policy
// and asked nobody else for anything.
func (p *tab) requireClean(address string) {
	p.t.Helper()
	violations := evaluate[[]string](p, "window.violations")
	p.mu.Lock()
	defer p.mu.Unlock()
	require.Empty(p.t, violations, "violations of the Content-Security-Policy")
	require.Empty(p.t, p.faults)
	require.NotEmpty(p.t, p.fetched)
	for _, fetched := range p.fetched {
		require.True(p.t, strings.HasPrefix(fetched, address+"/"), "a request to %s", fetched)
	}
}

// requests returns how many requests whose URL contains a text the page has sent since a time.
func (p *tab) requests(part string, since time.Time) (n int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for i, fetched := range p.fetched {
		if p.times[i].After(since) && strings.Contains(fetched, part) {
			n++
		}
	}
	return n
}
