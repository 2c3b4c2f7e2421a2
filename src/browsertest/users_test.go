package browsertest

import (
	"testing"

	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"
	"github.com/stretchr/testify/require"
)

func TestUsersPage(t *testing.T) {
	t.Run("lists, creates, renames and deactivates users", func(t *testing.T) {
		s := startService(t, "users")
		page := openTab(t, s.URL+"/", desktop())
		page.awaitText("#users", "juan@email.com")
		page.awaitText("#node-own .tag", "healthy")
		page.click("#create button.main")
		page.awaitText("#name-error", "is required")
		page.awaitText("#email-error", "is required")
		page.set("#name", "<b>Ada</b>")
		page.set("#email", "ada@example.com")
		page.click("#create button.main")
		page.awaitText("#create-note", "<b>Ada</b> is user 4.")
		page.awaitText(`#users tr[data-id="4"]`, "ada@example.com")
		require.Zero(t, evaluate[int](page, `document.querySelectorAll('#users b').length`))

		page.click(`#users tr[data-id="4"] button`)
		require.NoError(t, chromedp.Do(page.ctx, chromedp.SendKeys(chromedp.CSS(`#users tr[data-id="4"] input`), "Ada Lovelace"+kb.Enter)))
		page.awaitText(`#users tr[data-id="4"]`, "Ada Lovelace")
		page.click(`[aria-label="Deactivate Ada Lovelace"]`)
		page.await(`!document.querySelector('#users tr[data-id="4"]')`)
		page.execute(`const select = document.querySelector('#filters select');
			select.value = 'false';
			select.dispatchEvent(new Event('input', {bubbles: true}))`)
		page.awaitText(`#users tr[data-id="4"] .tag`, "inactive")
		page.awaitText("#calls", "/users/4")
		page.requireClean(s.URL)
	})
}
