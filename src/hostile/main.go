// Command hostile attacks the built services with slow clients on the loopback
// interface, and checks that nobody else notices: while clients of ten kinds hold on
// to their connections, ordinary requests succeed in the usual time, /health responds,
// memory stays within the limit of the charts, and a stop is not held up.
package main

import (
	"context"
	"flag"
	"fmt"
	"io"
	"os"
	"os/exec"
	"os/signal"
	"slices"
	"strings"
	"syscall"
	"time"

	"tandem/src/testkit/postgrestest"
)

// options say how hard the services are attacked.
type options struct {
	clients  int           // of each kind
	duration time.Duration // for which each client is there
	rate     int           // ordinary requests a second
	together bool          // all kinds together only
	postgres bool          // orders on PostgreSQL, too
	only     string        // part of the names of the services to attack
	kind     string        // part of the names of the kinds of clients
	p99      time.Duration // that ordinary requests may have, if twice the usual is not more
	health   time.Duration // the longest time that /health may take
	stop     time.Duration // the longest time that a stop may take
	env      []string      // more variables of the services
}

func main() {
	var o options
	flag.IntVar(&o.clients, "clients", 1000, "slow clients of each kind")
	flag.DurationVar(&o.duration, "duration", 20*time.Second, "time for which each slow client is there")
	flag.IntVar(&o.rate, "rate", 100, "ordinary requests a second")
	flag.BoolVar(&o.together, "together", false, "run all kinds together only")
	flag.BoolVar(&o.postgres, "postgres", true, "attack orders on PostgreSQL, too")
	flag.StringVar(&o.only, "only", "", "attack only services with this in their name, such as orders or PostgreSQL")
	flag.StringVar(&o.kind, "kind", "", "attack only by clients with this in the name of their kind, such as pipelined")
	flag.DurationVar(&o.p99, "p99", 50*time.Millisecond, "99th percentile that ordinary requests may have, if twice the usual is not more")
	flag.DurationVar(&o.health, "health", 100*time.Millisecond, "longest time that /health may take")
	flag.DurationVar(&o.stop, "stop", 3*time.Second, "longest time that a stop may take")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	failed, err := run(ctx, o, os.Stdout)
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
	}
	if err != nil || failed > 0 {
		os.Exit(1)
	}
}

// run attacks all services, writes a table and returns how many of its rows are not
// as required.
func run(ctx context.Context, o options, out io.Writer) (failed int, err error) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel() // kills what still runs
	dir, err := os.MkdirTemp("", "hostile")
	if err != nil {
		return 0, err
	}
	defer os.RemoveAll(dir)
	if text, err := exec.CommandContext(ctx, "go", "build", "-o", dir+"/", "tandem/src/cmd/...").CombinedOutput(); err != nil {
		return 0, fmt.Errorf("build the programs: %w: %s", err, text)
	}
	targets, err := start(ctx, dir, o)
	if err != nil {
		return 0, err
	}
	fmt.Fprintf(out, "%d clients of each kind, each for %s, with %d ordinary requests a second\n", o.clients, o.duration, o.rate)
	for _, t := range targets[1:] {
		if strings.Contains(t.name, o.only) {
			failed += assault(ctx, o, t, out)
		}
	}
	_, err = targets[0].stop()
	return failed, err
}

// start starts the services. The first serves the calls of orders and is not attacked.
func start(ctx context.Context, dir string, o options) ([]target, error) {
	peer, err := usersTarget().start(ctx, dir, "users")
	if err != nil {
		return nil, err
	}
	users, err := usersTarget().start(ctx, dir, "users", o.env...)
	if err != nil {
		return nil, err
	}
	env := slices.Concat(o.env, []string{"USERS_URL=http://" + peer.address})
	orders, err := ordersTarget("SQLite").start(ctx, dir, "orders", env...)
	targets := []target{peer, users, orders}
	if err != nil || !o.postgres {
		return targets, err
	}
	bin, err := postgrestest.Programs()
	if err != nil {
		return nil, err
	}
	server, err := os.MkdirTemp("", "hostile-postgres") // removed by the server; its account cannot enter dir
	if err != nil {
		return nil, err
	}
	database, err := postgrestest.Start(bin, server)
	if err != nil {
		return nil, err
	}
	orders, err = ordersTarget("PostgreSQL").start(ctx, dir, "orders", append(env, "DATABASE_URL="+database.String())...)
	return append(targets, orders), err
}

// assault attacks one service and returns how many rows are not as required.
func assault(ctx context.Context, o options, t target, out io.Writer) (failed int) {
	l := newLoad(t, o.rate)
	usual := o.measure(ctx, l, nil)
	r := report{out: out, target: t, load: l, bound: max(2*usual.percentile(0.99), o.p99), health: o.health}
	r.row("nobody", usual)
	l.fillPools()
	l.client.CloseIdleConnections()
	sleep(ctx, settle)
	files, goroutines := l.held()
	attackers := slices.DeleteFunc(kinds(), func(k kind) bool { return !strings.Contains(k.name, o.kind) })
	if !o.together {
		for _, k := range attackers {
			r.row(k.name, o.measure(ctx, l, []kind{k}))
		}
	}
	if len(attackers) > 1 {
		r.row("all kinds together", o.measure(ctx, l, attackers))
	}
	r.recovery(files, goroutines)
	r.stop(ctx, o)
	return r.failed
}

// measure sends ordinary requests while clients of these kinds attack.
func (o options) measure(ctx context.Context, l *load, attackers []kind) results {
	ctx, cancel := context.WithCancel(ctx)
	go func() {
		defer cancel()
		if attackers == nil {
			sleep(ctx, o.duration)
		}
		attack(ctx, l.target, attackers, o.clients, o.duration)
	}()
	return l.run(ctx)
}
