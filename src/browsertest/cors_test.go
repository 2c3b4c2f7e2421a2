package browsertest

import (
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestOtherOrigins(t *testing.T) {
	shop := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/html")
		_, _ = io.WriteString(w, "<!doctype html><title>shop</title><link rel=icon href=data:,>")
	}))
	defer shop.Close()
	// order places an order from the page of the shop, and returns what the shop can read of the response.
	order := func(t *testing.T, p pair) string {
		tab := openTab(t, shop.URL+"/", desktop())
		return evaluate[string](tab, fmt.Sprintf(`fetch('%s/orders', {
			method: 'POST', body: JSON.stringify({user_id: 1, product: 'Laptop', quantity: 1, price: 1}),
			headers: {'Content-Type': 'application/json', 'Idempotency-Key': 'k', traceparent: '00-%032x-%016x-01'},
		}).then((r) => [r.status, r.headers.get('Location'), r.headers.has('Server-Timing')].join(' '), () => 'refused')`, p.orders.URL, 1, 1))
	}

	t.Run("a named origin places orders and reads the responses", func(t *testing.T) {
		p := startPair(t, "CORS_ORIGINS="+shop.URL)
		require.Equal(t, "201 /orders/4 true", order(t, p))
	})
	t.Run("control: another origin does not, and stores nothing", func(t *testing.T) {
		p := startPair(t, "CORS_ORIGINS=https://shop.example.com")
		require.Equal(t, "refused", order(t, p))
		require.Equal(t, 3, p.totalOrders(t))
	})
}
