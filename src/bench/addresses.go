package main

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"runtime"
	"syscall"
	"time"

	"tandem/src/chassis/httpclient"
)

const (
	fewAddresses, manyAddresses = 3, 150
	maxCostOfAddresses          = 1.1
)

// addresses compares what a call costs a client of 150 addresses with what it costs a
// client of three. It does the same with connections that no client manages: what 150 of
// them cost more than three is not the client's doing.
func addresses(ctx context.Context, h *harness) ([]row, error) {
	const what = "call of one of 150 addresses ÷ one of three: processor time"
	if runtime.GOOS != "linux" {
		return []row{note(what, "unknown: this system has no loopback addresses beside 127.0.0.1")}, nil
	}
	peer, err := startProcess(ctx, "", selfCommand("peer"), nil)
	if err != nil {
		return nil, err
	}
	defer peer.stop()
	_, port, err := net.SplitHostPort(peer.address)
	if err != nil {
		return nil, err
	}
	client, err := h.costOfAddresses(ctx, port, newClientCaller)
	if err != nil {
		return nil, err
	}
	connections, err := h.costOfAddresses(ctx, port, newConnectionCaller)
	if err != nil {
		return nil, err
	}
	return []row{
		atMost(what, client.ratio(), maxCostOfAddresses, "", ""),
		note(what+", in µs", "%v; on connections that no client manages %v", client, connections),
	}, nil
}

// peer serves a short response on every address of the machine until ctx ends.
func peer(ctx context.Context, getenv func(string) string, _ io.Writer) error {
	server := &http.Server{Addr: ":" + getenv("PORT"), Handler: http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		_, _ = io.WriteString(w, `{"id":7}`)
	})}
	context.AfterFunc(ctx, func() { _ = server.Close() })
	if err := server.ListenAndServe(); ctx.Err() == nil {
		return err
	}
	return nil
}

// caller makes calls, one after the other.
type caller struct {
	call  func(ctx context.Context) error
	close func()
}

// newCaller returns a caller that distributes its calls over addresses.
type newCaller func(ips []netip.Addr, port string) (caller, error)

// addressesCost are rounds of calls of few and of many addresses.
type addressesCost struct{ few, many []result }

// ratio returns the median of the rounds' ratios.
func (c addressesCost) ratio() float64 { return medianRatio(c.many, c.few, result.cpuPerRequest) }

func (c addressesCost) String() string {
	return fmt.Sprintf("%.0f ÷ %.0f (%.2f)", medianOf(c.many, result.cpuPerRequest), medianOf(c.few, result.cpuPerRequest), c.ratio())
}

// costOfAddresses measures a call of few and of many addresses in turn.
func (h *harness) costOfAddresses(ctx context.Context, port string, create newCaller) (cost addressesCost, err error) {
	few, err := create(loopbackAddresses(fewAddresses), port)
	if err != nil {
		return cost, err
	}
	defer few.close()
	many, err := create(loopbackAddresses(manyAddresses), port)
	if err != nil {
		return cost, err
	}
	defer many.close()
	rounds, err := h.alternate(ctx, few.contender(h.roundDuration), many.contender(h.roundDuration))
	if err != nil {
		return cost, err
	}
	return addressesCost{few: rounds[0], many: rounds[1]}, nil
}

// contender returns the caller as a contender whose rounds have the processor time of
// this process.
func (c caller) contender(d time.Duration) contender {
	return contender{run: func(ctx context.Context) (result, error) {
		calls, begin := 0, processorTime()
		for end := time.Now().Add(d); time.Now().Before(end); calls++ {
			if err := c.call(ctx); err != nil {
				return result{}, err
			}
		}
		return result{Want: http.StatusOK, Counts: map[int]int{http.StatusOK: calls}, CPU: processorTime() - begin}, nil
	}}
}

// processorTime returns what this process has used so far; see getrusage(2).
func processorTime() time.Duration {
	var usage syscall.Rusage
	_ = syscall.Getrusage(syscall.RUSAGE_SELF, &usage) // fails for invalid arguments only
	return time.Duration(usage.Utime.Nano() + usage.Stime.Nano())
}

func loopbackAddresses(n int) (ips []netip.Addr) {
	for i := range n {
		ips = append(ips, netip.AddrFrom4([4]byte{127, 0, 1, byte(i + 1)}))
	}
	return ips
}

// fixedAddresses is a resolver that always finds the same.
type fixedAddresses []netip.Addr

func (f fixedAddresses) LookupNetIP(context.Context, string, string) ([]netip.Addr, error) {
	return f, nil
}

func newClientCaller(ips []netip.Addr, port string) (caller, error) {
	client, err := httpclient.New(httpclient.Config{
		BaseURL: &url.URL{Scheme: "http", Host: net.JoinHostPort("peer", port)}, Peer: "peer",
		Timeout: time.Second, AttemptTimeout: time.Second, Resolver: fixedAddresses(ips),
	})
	if err != nil {
		return caller{}, err
	}
	call := func(ctx context.Context) error {
		response, err := client.Get(ctx, "/users/{id}", "/users/7")
		if err == nil && response.Status != http.StatusOK {
			err = fmt.Errorf("status %d", response.Status)
		}
		return err
	}
	return caller{call, client.Close}, nil
}

// newConnectionCaller returns a caller that keeps a connection to each address.
func newConnectionCaller(ips []netip.Addr, port string) (caller, error) {
	var connections []net.Conn
	closeAll := func() {
		for _, c := range connections {
			_ = c.Close()
		}
	}
	var readers []*bufio.Reader
	for _, ip := range ips {
		c, err := net.Dial("tcp", net.JoinHostPort(ip.String(), port))
		if err != nil {
			closeAll()
			return caller{}, err
		}
		connections, readers = append(connections, c), append(readers, bufio.NewReader(c))
	}
	return caller{func(context.Context) error {
		i := rand.IntN(len(connections))
		if _, err := io.WriteString(connections[i], "GET /users/7 HTTP/1.1\r\nHost: peer\r\n\r\n"); err != nil {
			return err
		}
		response, err := http.ReadResponse(readers[i], nil)
		if err != nil {
			return err
		}
		defer response.Body.Close()
		_, err = io.Copy(io.Discard, response.Body)
		return err
	}, closeAll}, nil
}
