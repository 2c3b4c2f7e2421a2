//go:build e2e

package e2e

import (
	"errors"
	"fmt"
	"math"
	"regexp"
	"strconv"
)

// forEachWorker calls do with the name of each worker.
func forEachWorker(do func(node string) error) error {
	nodes, err := workers()
	for _, node := range nodes {
		err = errors.Join(err, do(node))
	}
	return err
}

// countRequests makes a node count the packets of its pods to addresses that complete a
// request: those with the flag PSH. It counts them before kube-proxy changes the address.
func countRequests(node string, ips []string) error {
	rules := ":ADDRESSES - [0:0]\n"
	for _, ip := range ips {
		rules += "-A ADDRESSES -d " + ip + " -p tcp --tcp-flags PSH PSH\n"
	}
	return inOrder(
		func() error { return stopCountingRequests(node) },
		func() error {
			return runWithInput("*mangle\n"+rules+"-A PREROUTING -p tcp -j ADDRESSES\nCOMMIT\n",
				"docker", "exec", "--interactive", node, "iptables-restore", "--noflush", "--wait").err
		})
}

func stopCountingRequests(node string) error {
	return run("docker", "exec", node, "bash", "-c", `mangle() { iptables --wait --table=mangle "$@"; }
mangle --list-rules ADDRESSES >/dev/null 2>&1 || exit 0
mangle --delete PREROUTING -p tcp -j ADDRESSES
mangle --flush ADDRESSES && mangle --delete-chain ADDRESSES`).err
}

var countedRequests = regexp.MustCompile(`(?m)^\[(\d+):\d+\] -A ADDRESSES -d ([0-9.]+)/32 `)

// sharesOf returns the number of requests to the busiest address divided by that to the
// idlest, since countRequests. It is an error if none are counted.
func sharesOf(ips []string) (float64, error) {
	counts := map[string]int{}
	err := forEachWorker(func(node string) error {
		saved := run("docker", "exec", node, "iptables-save", "--counters", "--table", "mangle")
		for _, found := range countedRequests.FindAllStringSubmatch(saved.stdout, -1) {
			count, _ := strconv.Atoi(found[1])
			counts[found[2]] += count
		}
		return saved.err
	})
	lowest, highest := math.Inf(1), 0.0
	for _, ip := range ips {
		lowest, highest = min(lowest, float64(counts[ip])), max(highest, float64(counts[ip]))
	}
	logDetail("requests to each of %d addresses: from %.0f to %.0f", len(ips), lowest, highest)
	if highest == 0 {
		err = errors.Join(err, fmt.Errorf("no request to %d addresses was counted", len(ips)))
	}
	return highest / max(lowest, 1), err
}
