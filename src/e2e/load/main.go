// Command load sends requests to orders and accounts for every one of them; unless
// its flags say otherwise, at a steady rate, whatever becomes of them (an open
// loop), and each once. A test runs it inside the cluster:
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

// options are what a run goes by.
type options struct {
	url      string
	rate     int
	callers  int
	requests int
	wait     bool
	posts    int
	fresh    int
	path     string
	name     string
	resend   bool
	keys     bool
}

func main() {
	var o options
	flag.StringVar(&o.url, "url", "", "base URL of orders")
	flag.IntVar(&o.rate, "rate", 100, "requests a second; 0: as many as the callers can")
	flag.IntVar(&o.callers, "callers", 32, "callers that each wait for an answer, where there is no rate")
	flag.IntVar(&o.requests, "requests", 1000, "requests in all")
	flag.BoolVar(&o.wait, "wait", false, "go on until the standard input ends, too")
	flag.IntVar(&o.posts, "posts", 20, "percent of them that create an order")
	flag.IntVar(&o.fresh, "fresh", 50, "percent of them that have a connection of their own")
	flag.StringVar(&o.path, "path", "", "send nothing but GETs of this path")
	flag.StringVar(&o.name, "name", "load", "begins the names of the products that are ordered")
	flag.BoolVar(&o.resend, "resend", false, "send an order again until it is acknowledged, for a minute")
	flag.BoolVar(&o.keys, "keys", true, "give an order that may be sent again its Idempotency-Key")
	flag.Parse()
	if err := run(o, os.Stdin, os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

// run prints a line when the load begins, and a report when it has ended.
func run(o options, stdin io.Reader, stdout io.Writer) error {
	r, err := newRecorder(o)
	if err != nil {
		return err
	}
	if _, err := fmt.Fprintln(stdout, "flowing"); err != nil {
		return err
	}
	goOn := o.enough(stdin)
	if o.rate > 0 {
		openLoop(o.rate, goOn, r.request)
	} else {
		closedLoop(o.callers, goOn, r.request)
	}
	return json.NewEncoder(stdout).Encode(r.summary())
}

// enough says whether the i-th request is still to be sent.
func (o options) enough(stdin io.Reader) func(i int) bool {
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		if o.wait {
			_, _ = io.Copy(io.Discard, stdin)
		}
	}()
	return func(i int) bool {
		select {
		case <-ended:
			return i < o.requests
		default:
			return true
		}
	}
}

// openLoop sends each request when its time has come, and waits for all.
func openLoop(rate int, goOn func(i int) bool, send func(i int)) {
	var all sync.WaitGroup
	began := time.Now()
	for i := 0; goOn(i); i++ {
		time.Sleep(time.Until(began.Add(time.Duration(i) * time.Second / time.Duration(rate))))
		all.Go(func() { send(i) })
	}
	all.Wait()
}

// closedLoop lets each caller send its next request when the last was answered.
func closedLoop(callers int, goOn func(i int) bool, send func(i int)) {
	var all sync.WaitGroup
	for caller := range callers {
		all.Go(func() {
			for i := caller; goOn(i); i += callers {
				send(i)
			}
		})
	}
	all.Wait()
}
