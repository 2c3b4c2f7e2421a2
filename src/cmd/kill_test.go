package cmd_test

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"

	"tandem/src/testkit/postgrestest"
)

// TestSIGKILL kills orders three times while clients create orders. Every order
// whose creation was acknowledged by a 201 must exist afterwards.
func TestSIGKILL(t *testing.T) {
	url, _, respond := slowUsers(t)
	close(respond)
	t.Run("SQLite", func(t *testing.T) { killUnderLoad(t, "USERS_URL="+url, "DATA_DIR="+t.TempDir()) })
	t.Run("PostgreSQL", func(t *testing.T) { killUnderLoad(t, "USERS_URL="+url, "DATABASE_URL="+postgrestest.URL(t)) })
}

func killUnderLoad(t *testing.T, env ...string) {
	acknowledged := map[string]bool{} // by Location
	firstKey := 0
	for range 3 {
		orders := startReady(t, "orders", env...)
		for location := range createUntilKilled(t, orders, firstKey) {
			require.False(t, acknowledged[location], "two orders have the path %s", location)
			acknowledged[location] = true
		}
		firstKey += 1_000_000
	}
	require.NotEmpty(t, acknowledged)
	restarted := startReady(t, "orders", env...)
	for location := range acknowledged {
		response, _ := restarted.get(t, location)
		require.Equal(t, 200, response.StatusCode, location)
	}
	requireStatsMatch(t, restarted, len(acknowledged))
}

// createUntilKilled creates orders from several clients, kills the process once
// 40 orders are acknowledged, and returns the Locations of the acknowledged orders.
func createUntilKilled(t *testing.T, orders *process, firstKey int) map[string]bool {
	t.Helper()
	var mu sync.Mutex
	var key atomic.Int64
	key.Store(int64(firstKey))
	locations := map[string]bool{}
	var clients sync.WaitGroup
	for range 6 {
		clients.Go(func() {
			for {
				location, err := postOrder(orders.url, fmt.Sprint(key.Add(1)))
				if err != nil {
					return // the process was killed
				}
				mu.Lock()
				locations[location] = true
				kill := len(locations) == 40 // true for one client only
				mu.Unlock()
				if kill {
					_ = orders.Process.Signal(syscall.SIGKILL)
				}
			}
		})
	}
	clients.Wait()
	require.Equal(t, -1, orders.exit(t))
	require.GreaterOrEqual(t, len(locations), 40)
	return locations
}

// postOrder creates an order and returns its Location.
func postOrder(url, key string) (location string, err error) {
	const order = `{"user_id": 1, "product": "x", "quantity": 1, "price": 1}`
	request, err := http.NewRequest(http.MethodPost, url+"/orders", strings.NewReader(order))
	if err != nil {
		return "", err
	}
	request.Header.Set("Content-Type", "application/json")
	request.Header.Set("Idempotency-Key", key)
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return "", err
	}
	defer response.Body.Close()
	if _, err := io.Copy(io.Discard, response.Body); err != nil {
		return "", err
	}
	if response.StatusCode != http.StatusCreated {
		return "", fmt.Errorf("status %d", response.StatusCode)
	}
	return response.Header.Get("Location"), nil
}

// requireStatsMatch counts the orders page by page. The count must be that of the
// statistics and at least minimum.
func requireStatsMatch(t *testing.T, orders *process, minimum int) {
	t.Helper()
	counted := 0
	path := "/orders?limit=500"
	for path != "" {
		_, page := orders.get(t, path)
		counted += int(page["count"].(float64))
		path = ""
		if next, ok := page["next_cursor"].(string); ok {
			path = "/orders?limit=500&cursor=" + next
		}
	}
	_, stats := orders.get(t, "/orders/stats")
	total, err := json.Marshal(stats["total_orders"])
	require.NoError(t, err)
	require.Equal(t, fmt.Sprint(counted), string(total))
	require.GreaterOrEqual(t, counted, minimum)
}
