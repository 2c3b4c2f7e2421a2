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

// TestSIGKILLLosesNoAcknowledgedWrite kills the real process under load, more
// than once, and looks for every order that it had acknowledged.
func TestSIGKILLLosesNoAcknowledgedWrite(t *testing.T) {
	url, _, answer := slowUsers(t)
	close(answer)
	t.Run("SQLite", func(t *testing.T) { killUnderLoad(t, "USERS_URL="+url, "DATA_DIR="+t.TempDir()) })
	t.Run("PostgreSQL", func(t *testing.T) { killUnderLoad(t, "USERS_URL="+url, "DATABASE_URL="+postgrestest.URL(t)) })
}

func killUnderLoad(t *testing.T, env ...string) {
	acknowledged := map[string]bool{} // by location
	keys := 0
	for range 3 {
		orders := ready(t, "orders", env...)
		for location := range placeUntilKilled(t, orders, keys) {
			require.False(t, acknowledged[location], "%s was given twice", location)
			acknowledged[location] = true
		}
		keys += 1_000_000
	}
	require.NotEmpty(t, acknowledged)
	again := ready(t, "orders", env...)
	for location := range acknowledged {
		answer, _ := again.get(t, location)
		require.Equal(t, 200, answer.StatusCode, location)
	}
	requireStatsMatch(t, again, len(acknowledged))
}

// placeUntilKilled places orders from several clients, kills the process among
// them, and returns the locations of those that were acknowledged.
func placeUntilKilled(t *testing.T, orders *process, firstKey int) map[string]bool {
	t.Helper()
	var mu sync.Mutex
	var key atomic.Int64
	key.Store(int64(firstKey))
	locations := map[string]bool{}
	var clients sync.WaitGroup
	for range 6 {
		clients.Go(func() {
			for {
				location, err := place(orders.url, fmt.Sprint(key.Add(1)))
				if err != nil {
					return // killed
				}
				mu.Lock()
				locations[location] = true
				enough := len(locations) == 40
				mu.Unlock()
				if enough {
					_ = orders.Process.Signal(syscall.SIGKILL) // once: the count passes 40 once
				}
			}
		})
	}
	clients.Wait()
	require.Equal(t, -1, orders.exit(t))
	require.GreaterOrEqual(t, len(locations), 40)
	return locations
}

func place(url, key string) (location string, err error) {
	request, err := http.NewRequest(http.MethodPost, url+"/orders", strings.NewReader(`{"user_id": 1, "product": "x", "quantity": 1, "price": 1}`))
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

// requireStatsMatch counts the orders page by page and compares the count with
// the stats, which must have come through the kills with them.
func requireStatsMatch(t *testing.T, orders *process, least int) {
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
	require.GreaterOrEqual(t, counted, least)
}
