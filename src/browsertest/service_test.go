package browsertest

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// service is a running program.
type service struct {
	t       *testing.T
	program string
	env     []string
	command *exec.Cmd
	URL     string
	port    string
}

// startService starts a program with the demo data on a free port, and waits until it is ready.
func startService(t *testing.T, program string, env ...string) *service {
	t.Helper()
	s := &service{t: t, program: program, env: append(env, "DATA_DIR="+t.TempDir(), "SEED_DEMO_DATA=true", "LOG_FORMAT=json"), port: "0"}
	s.start()
	t.Cleanup(s.stop)
	return s
}

// start starts the program, the second time on the port that it had.
func (s *service) start() {
	s.t.Helper()
	s.command = exec.Command(filepath.Join(shared.programs, s.program))
	s.command.Env = slices.Concat(s.env, []string{"PORT=" + s.port, "LISTEN_HOST=127.0.0.1", "PATH=" + os.Getenv("PATH")})
	output, err := s.command.StdoutPipe()
	require.NoError(s.t, err)
	require.NoError(s.t, s.command.Start())
	ready := make(chan string, 1)
	go awaitReady(output, ready)
	select {
	case address := <-ready:
		_, s.port, err = net.SplitHostPort(address)
		require.NoError(s.t, err, "%s did not become ready", s.program)
	case <-time.After(patience * time.Second):
		require.Fail(s.t, "the service did not become ready", s.program)
	}
	s.URL = "http://127.0.0.1:" + s.port
}

// awaitReady reads a log to its end, and sends the address of the service as soon as it is ready.
func awaitReady(log io.Reader, ready chan<- string) {
	defer close(ready)
	address := ""
	for lines := bufio.NewScanner(log); lines.Scan(); {
		var line struct{ Msg, Address string }
		_ = json.Unmarshal(lines.Bytes(), &line)
		switch line.Msg {
		case "listening":
			address = line.Address
		case "ready":
			ready <- address
		}
	}
}

// stop ends the program, if it runs.
func (s *service) stop() {
	if s.command != nil {
		_ = s.command.Process.Signal(syscall.SIGTERM)
		_ = s.command.Wait()
		s.command = nil
	}
}

// pair is both services.
type pair struct{ users, orders *service }

func startPair(t *testing.T, env ...string) pair {
	t.Helper()
	users := startService(t, "users", env...)
	return pair{users, startService(t, "orders", append(env, "USERS_URL="+users.URL)...)}
}

// post creates something by the API.
func post(t *testing.T, address, body string) {
	t.Helper()
	response, err := http.Post(address, "application/json", strings.NewReader(body))
	require.NoError(t, err)
	defer response.Body.Close()
	require.Equal(t, http.StatusCreated, response.StatusCode)
}

// totalOrders returns the number of orders.
func (p pair) totalOrders(t *testing.T) int {
	t.Helper()
	response, err := http.Get(p.orders.URL + "/orders/stats")
	require.NoError(t, err)
	defer response.Body.Close()
	var stats struct {
		Total int `json:"total_orders"`
	}
	require.NoError(t, json.NewDecoder(response.Body).Decode(&stats))
	return stats.Total
}

// tampered starts a proxy in front of a service that changes requests and responses, for controls: without what
// it takes away, a test must fail.
func tampered(t *testing.T, s *service, request func(*http.Request), response func(*http.Response, string) string) string {
	t.Helper()
	target, err := url.Parse(s.URL)
	require.NoError(t, err)
	proxy := &httputil.ReverseProxy{
		Rewrite: func(r *httputil.ProxyRequest) {
			r.SetURL(target)
			r.Out.Header.Set("Accept-Encoding", "identity")
			if request != nil {
				request(r.Out)
			}
		},
		ModifyResponse: func(r *http.Response) error {
			if response == nil {
				return nil
			}
			text, err := io.ReadAll(r.Body)
			if err != nil {
				return err
			}
			changed := response(r, string(text))
			r.Body, r.ContentLength = io.NopCloser(strings.NewReader(changed)), int64(len(changed))
			r.Header.Set("Content-Length", fmt.Sprint(len(changed)))
			return nil
		},
	}
	server := httptest.NewServer(proxy)
	t.Cleanup(server.Close)
	return server.URL
}
