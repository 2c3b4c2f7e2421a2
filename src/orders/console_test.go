package orders_test

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"tandem/src/testkit/servicetest"
)

func TestServerTiming(t *testing.T) {
	const (
		own   = `^orders;dur=\d+\.\d{3};desc="[^"]+", orders-store;dur=\d+\.\d{3}`
		users = `, users-call;dur=\d+\.\d{3}, users;dur=\d+\.\d{3};desc="[^"]+", users-store;dur=\d+\.\d{3}$`
	)
	config := servicetest.SQLite(t)
	config.SeedDemoData = true
	s := startServices(t, config, servicetest.SQLite(t))
	for path, want := range map[string]string{
		"/orders/1": own + "$", "/orders/stats": own + "$", "/orders/1/details": own + users, "/orders?expand=user": own + users, "/orders/99": own + "$",
	} {
		t.Run("tells where the time of "+path+" went", func(t *testing.T) {
			require.Regexp(t, want, s.Get(t, path).Header.Get("Server-Timing"))
		})
	}
	t.Run("tells it of a new order", func(t *testing.T) {
		require.Regexp(t, own+users, s.Post(t, "/orders", laptopJSON()).Require(t, 201).Header.Get("Server-Timing"))
	})

	t.Run("says that there were retries, and that the breaker is open", func(t *testing.T) {
		calls := 0
		api := startWithUsersStub(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if calls++; calls == 1 {
				w.WriteHeader(http.StatusServiceUnavailable)
				return
			}
			if calls > 2 {
				w.WriteHeader(http.StatusInternalServerError)
				return
			}
			writeUser(w, r)
		}))
		api.Post(t, "/orders", laptopJSON()).Require(t, 201)
		require.Regexp(t, `, users-call;dur=\S+;desc="500", retries;dur=\d+\.\d{3};desc="\d"$`,
			api.Get(t, "/orders/1/details").Header.Get("Server-Timing"))
		require.Eventually(t, func() bool {
			return strings.Contains(api.Get(t, "/orders/1/details").Header.Get("Server-Timing"), `users-call;dur=0.000;desc="breaker open"`)
		}, 20*time.Second, time.Millisecond)
	})
}

func TestConsole(t *testing.T) {
	get := func(t *testing.T, url, path string) servicetest.Response {
		return servicetest.API{URL: url}.Call(t, "GET", path, "", "Accept", "text/html")
	}
	t.Run("is there, neither logged nor under labels that a caller chooses", func(t *testing.T) {
		service := servicetest.StartReady(t, runOrders(t, servicetest.SQLite(t), "http://127.0.0.1:1"))
		require.Contains(t, get(t, service.URL, "/").Require(t, 200).Text, "<title>orders · ")
		require.Contains(t, get(t, service.URL, "/docs").Require(t, 200).Text, "createOrder")
		get(t, service.URL, "/console/x/nope.js").Require(t, 404)
		metrics := get(t, service.URL, "/metrics").Text
		require.Contains(t, metrics, `http_route="/console/{version}/{file}"`)
		require.NotContains(t, metrics, "nope.js")
		for _, line := range service.Log.Lines(t, "request") {
			require.Equal(t, "DEBUG", line["level"])
		}
	})
	t.Run("is not there where it is off, and nothing tells of the inside", func(t *testing.T) {
		config := servicetest.SQLite(t)
		config.Console = false
		service := servicetest.StartReady(t, runOrders(t, config, "http://127.0.0.1:1"))
		for _, path := range []string{"/", "/docs", "/console/x/console.css"} {
			get(t, service.URL, path).Require(t, 404)
		}
		require.Empty(t, get(t, service.URL, "/orders").Header.Get("Server-Timing"))
	})
}
