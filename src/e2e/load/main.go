// Command load sends requests to orders and counts every one of them by its result.
// By default it sends each request once, and at a constant rate that does not depend
// on the responses (an open loop). A test runs it inside the cluster:
//
//	load -url http://orders:5002 -rate 100 -requests 3000
package main

import (
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"os"
	"sync"
	"time"
)

// options are the flags of a run.
type options struct {
	url            string
	rate           int
	clients        int
	requests       int
	wait           bool
	posts          int
	newConnections int
	path           string
	name           string
	resend         bool
	keys           bool
}

func main() {
	var o options
	flag.StringVar(&o.url, "url", "", "base URL of orders")
	flag.IntVar(&o.rate, "rate", 100, "requests per second; 0: each client sends its next request after a response")
	flag.IntVar(&o.clients, "clients", 32, "number of clients if the rate is 0")
	flag.IntVar(&o.requests, "requests", 1000, "minimum number of requests")
	flag.BoolVar(&o.wait, "wait", false, "continue until the standard input is closed")
	flag.IntVar(&o.posts, "posts", 20, "percentage of the requests that create an order")
	flag.IntVar(&o.newConnections, "new-connections", 50, "percentage of the requests that are sent on a new connection")
	flag.StringVar(&o.path, "path", "", "send only GET requests for this path")
	flag.StringVar(&o.name, "name", "load", "prefix of the products of the orders")
	flag.BoolVar(&o.resend, "resend", false, "send an order repeatedly until it is acknowledged, for up to a minute")
	flag.BoolVar(&o.keys, "keys", true, "with -resend: send an Idempotency-Key with each order")
	flag.Parse()
	if err := run(o, os.Stdin, os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

// run sends the load. It prints a line when it starts, and the report as JSON at the
// end.
func run(o options, stdin io.Reader, stdout io.Writer) error {
	g, err := newGenerator(o)
	if err != nil {
		return err
	}
	if _, err := fmt.Fprintln(stdout, "started"); err != nil {
		return err
	}
	shouldSend := o.limit(stdin)
	if o.rate > 0 {
		openLoop(o.rate, shouldSend, g.send)
	} else {
		closedLoop(o.clients, shouldSend, g.send)
	}
	return json.NewEncoder(stdout).Encode(g.report())
}

// limit returns a function that reports whether to send the i-th request.
func (o options) limit(stdin io.Reader) func(i int) bool {
	inputClosed := make(chan struct{})
	go func() {
		defer close(inputClosed)
		if o.wait {
			_, _ = io.Copy(io.Discard, stdin)
		}
	}()
	return func(i int) bool {
		select {
		case <-inputClosed:
			return i < o.requests
		default:
			return true
		}
	}
}

// openLoop sends requests at a constant rate per second, and waits for the last
// response.
func openLoop(rate int, shouldSend func(i int) bool, send func(i int)) {
	var all sync.WaitGroup
	started := time.Now()
	for i := 0; shouldSend(i); i++ {
		time.Sleep(time.Until(started.Add(time.Duration(i) * time.Second / time.Duration(rate))))
		all.Go(func() { send(i) })
	}
	all.Wait()
}

// closedLoop lets each client send its next request after the response to the
// previous one.
func closedLoop(clients int, shouldSend func(i int) bool, send func(i int)) {
	var all sync.WaitGroup
	for client := range clients {
		all.Go(func() {
			for i := client; shouldSend(i); i += clients {
				send(i)
			}
		})
	}
	all.Wait()
}
