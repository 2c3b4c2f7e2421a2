package orders_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"tandem/src/chassis/settings"
	"tandem/src/testkit/postgrestest"
	"tandem/src/testkit/servicetest"
)

// onLostAnswers runs a test in each query mode with a proxy that loses an answer, by
// closing the connection or by staying silent until a deadline passes.
func onLostAnswers(t *testing.T, test func(t *testing.T, api servicetest.API, lose func(match func([]string) bool) *postgrestest.Loss)) {
	users := httptest.NewServer(http.HandlerFunc(writeUser))
	t.Cleanup(users.Close)
	for _, mode := range servicetest.QueryModes() {
		for name, silent := range map[string]bool{"closed": false, "silent": true} {
			if silent && mode != "cache_statement" && mode != "simple_protocol" {
				continue // these two stand for the others: it takes as long as a deadline
			}
			t.Run(mode+" "+name, func(t *testing.T) {
				t.Parallel()
				proxy := postgrestest.NewProxy(t, postgrestest.URL(t)+"?default_query_exec_mode="+mode)
				config := servicetest.SQLite(t)
				config.DatabaseURL = settings.ConnString(proxy.URL)
				service := servicetest.StartReady(t, runOrders(t, config, users.URL))
				api := servicetest.API{URL: service.URL, Transport: loadContract(t).Transport(nil)}
				test(t, api, func(match func([]string) bool) *postgrestest.Loss { return proxy.Lose(silent, match) })
			})
		}
	}
}

// requireUncertain checks the response to a request that may have been carried out
// and that it would not be safe to repeat.
func requireUncertain(t *testing.T, response servicetest.Response) {
	t.Helper()
	response.Require(t, 503)
	require.Empty(t, response.Header.Get("Retry-After"))
	require.Contains(t, response.At(t, "error"), "may have been stored")
}

func TestUnansweredCommit(t *testing.T) {
	onLostAnswers(t, func(t *testing.T, api servicetest.API, lose func(func([]string) bool) *postgrestest.Loss) {
		loss := lose(postgrestest.Writes)
		requireUncertain(t, api.Post(t, "/orders", laptopJSON()))
		<-loss.Happened()
		require.Equal(t, "1", api.Get(t, "/orders").At(t, "count"), "it is stored, and once")

		loss = lose(postgrestest.Writes)
		first := api.Post(t, "/orders", laptopJSON(), "Idempotency-Key", "k").Require(t, 503)
		<-loss.Happened()
		require.Contains(t, first.At(t, "error"), "may have been stored")
		require.NotEmpty(t, first.Header.Get("Retry-After"))
		second := api.Post(t, "/orders", laptopJSON(), "Idempotency-Key", "k").Require(t, 201)
		require.Equal(t, "true", second.Header.Get("Idempotency-Replayed"))
		require.Equal(t, "2", api.Get(t, "/orders").At(t, "count"))

		loss = lose(postgrestest.Writes)
		requireUncertain(t, api.Patch(t, "/orders/1", statusJSON("shipped")))
		<-loss.Happened()
		require.Equal(t, `"shipped"`, api.Get(t, "/orders/1").At(t, "status"))
	})
}

func TestUnansweredGroup(t *testing.T) {
	together := func(tags []string) bool { // a statement has written several orders
		return slices.ContainsFunc(tags, func(tag string) bool { return strings.HasPrefix(tag, "SELECT ") && tag > "SELECT 1" })
	}
	onLostAnswers(t, func(t *testing.T, api servicetest.API, lose func(func([]string) bool) *postgrestest.Loss) {
		for round, keyed := range []bool{false, true} {
			loss := lose(together)
			responses := postUntil(t, api, loss.Happened(), keyed)
			lost, refused := 0, 0
			for _, r := range responses {
				switch {
				case r.Status == http.StatusCreated:
				case strings.Contains(r.Require(t, 503).At(t, "error"), "may have been stored"):
					lost++
					require.Equal(t, keyed, r.Header.Get("Retry-After") != "", r.Text)
				default: // on a busy machine, a connection may take too long
					refused++
					require.NotEmpty(t, r.Header.Get("Retry-After"))
				}
			}
			require.GreaterOrEqual(t, lost, 2, "the whole group gets the answer")
			want := fmt.Sprint(len(responses) - refused)
			stored := api.Get(t, fmt.Sprintf("/orders?limit=500&user_id=%d", round+1)).At(t, "count")
			require.Equal(t, want, stored, "none is stored twice, and none is missing")
		}
	})
}

// postUntil posts orders from several clients until done, and returns the responses.
// The orders of requests with a key have the user 2, others have the user 1.
func postUntil(t *testing.T, api servicetest.API, done <-chan struct{}, keyed bool) (all []servicetest.Response) {
	t.Helper()
	var clients sync.WaitGroup
	var mu sync.Mutex
	deadline := time.Now().Add(20 * time.Second)
	for client := range 12 {
		clients.Go(func() {
			for n := 0; ; n++ {
				select {
				case <-done:
					return
				default:
				}
				if time.Now().After(deadline) {
					return
				}
				var header []string
				if keyed {
					header = []string{"Idempotency-Key", fmt.Sprintf("%d-%d", client, n)}
				}
				response := api.Post(t, "/orders", orderJSON(1+map[bool]int{true: 1}[keyed], "x", 1, 1), header...)
				mu.Lock()
				all = append(all, response)
				mu.Unlock()
			}
		})
	}
	clients.Wait()
	<-done
	return all
}
