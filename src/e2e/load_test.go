//go:build e2e

package e2e

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
)

// generator is a pod from which load goes to orders, through its Service.
type generator struct {
	shell
	base string // of orders
}

// accounts are what the load program reports.
type accounts struct {
	Sent, Failed, Degraded, Refused int
	Why                             map[string]int
	Created                         []int64
	P50, P99, Seconds               float64
}

func (a accounts) String() string {
	return fmt.Sprintf("%d sent in %.0f s, %d failed %v, %d degraded, %d refused, p50 %.1f ms, p99 %.1f ms", a.Sent, a.Seconds, a.Failed, a.Why, a.Degraded, a.Refused, a.P50, a.P99)
}

// requests is how many a scenario sends: E2E_REQUESTS, or few.
func requests() int {
	if n, err := strconv.Atoi(os.Getenv("E2E_REQUESTS")); err == nil && n > 0 {
		return n
	}
	return 3000
}

// newGenerator compiles the load program into a pod of the namespace.
func (n namespace) newGenerator() (generator, error) {
	dir, err := os.MkdirTemp("", mark)
	if err != nil {
		return generator{}, err
	}
	defer os.RemoveAll(dir)
	program := filepath.Join(dir, "load")
	if err := run("bash", "-c", "cd src/e2e && GOOS=linux CGO_ENABLED=0 go build -o "+program+" ./load").err; err != nil {
		return generator{}, err
	}
	s, err := n.newShell("load", "")
	if err != nil {
		return generator{}, err
	}
	binary, err := os.ReadFile(program)
	if err != nil {
		return generator{}, err
	}
	put := runOn(string(binary), "kubectl", "--namespace="+string(n), "exec", "--stdin", s.pod, "--container="+s.container, "--",
		"sh", "-c", "cat > /tmp/load && chmod +x /tmp/load")
	return generator{s, "http://orders." + string(n) + ".svc.cluster.local.:5002"}, put.err
}

// during puts load on orders while something happens, and until it has.
func (g generator) during(rate int, do func() error) (sum accounts, err error) {
	done := make(chan error, 1)
	go func() { done <- do() }()
	sum.Why = map[string]int{}
	for ended := false; !ended || sum.Sent < requests(); {
		select {
		case err = <-done:
			ended = true
		default:
		}
		next, failed := g.send(rate, min(500, requests()))
		if failed != nil || err != nil {
			return sum, errors.Join(failed, err)
		}
		sum.add(next)
	}
	return sum, nil
}

func (g generator) send(rate, requests int) (a accounts, err error) {
	r := g.do(fmt.Sprintf("/tmp/load -url %s -rate %d -requests %d", g.base, rate, requests))
	if r.err != nil {
		return a, r.err
	}
	return a, json.Unmarshal([]byte(strings.TrimSpace(r.text)), &a)
}

// add joins what two runs report; a percentile is the worse one.
func (a *accounts) add(b accounts) {
	a.Sent, a.Failed, a.Degraded, a.Refused = a.Sent+b.Sent, a.Failed+b.Failed, a.Degraded+b.Degraded, a.Refused+b.Refused
	for why, count := range b.Why {
		a.Why[why] += count
	}
	a.Created = append(a.Created, b.Created...)
	a.P50, a.P99, a.Seconds = max(a.P50, b.P50), max(a.P99, b.P99), a.Seconds+b.Seconds
}
