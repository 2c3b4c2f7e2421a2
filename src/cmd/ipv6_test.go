package cmd_test

import (
	"net"
	"net/http"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// TestIPv6 runs both services on the IPv6 loopback address.
func TestIPv6(t *testing.T) {
	if listener, err := net.Listen("tcp", "[::1]:0"); err != nil {
		t.Skip("this machine has no IPv6: ", err)
	} else {
		require.NoError(t, listener.Close())
	}
	startAt := func(t *testing.T, program string, env ...string) *process {
		t.Helper()
		p := startReady(t, program, append(env, "LISTEN_HOST=::1", "SEED_DEMO_DATA=true")...)
		p.url = strings.Replace(p.url, "127.0.0.1", "[::1]", 1)
		return p
	}
	t.Run("serves and calls", func(t *testing.T) {
		users := startAt(t, "users")
		orders := startAt(t, "orders", "USERS_URL="+users.url)
		response, details := orders.get(t, "/orders/1/details")
		require.Equal(t, http.StatusOK, response.StatusCode)
		require.NotNil(t, details["user_details"], "%v", details)
		_, health := orders.get(t, "/health")
		require.Equal(t, "healthy", health["status"], "%v", health)
	})
	t.Run("is among the addresses of a service without a host", func(t *testing.T) {
		p := startReady(t, "users", "SEED_DEMO_DATA=true")
		p.url = strings.Replace(p.url, "127.0.0.1", "[::1]", 1)
		response, _ := p.get(t, "/users/1")
		require.Equal(t, http.StatusOK, response.StatusCode)
	})
}
