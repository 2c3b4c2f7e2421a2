// Command bench measures the bounds that the services are held to and prints
// them as one Markdown table. Both sides of every comparison run in the same
// run, in turn, and what is reported is the median of their ratios: that holds
// on any machine, also on one that is busy.
//
// A missed bound is information: the exit code is 0 all the same, unless
// -strict is given. A benchmark that could not run is an error.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"regexp"
	"time"

	"tandem/src/chassis/lifecycle"
	"tandem/src/chassis/settings"
)

func main() { os.Exit(lifecycle.Main(run)) }

// errMissed is returned where a bound is missed and -strict is given.
var errMissed = errors.New("a bound is missed")

func run(ctx context.Context, args []string, getenv func(string) string, stdout io.Writer) error {
	if len(args) == 1 {
		if part, ok := parts()[args[0]]; ok {
			return profiled(getenv("PROFILE"), func() error { return part(ctx, getenv, stdout) })
		}
	}
	o, err := parse(args, stdout)
	if err != nil {
		return err
	}
	return measure(ctx, o, stdout)
}

// part is what this program does when it starts itself.
type part func(ctx context.Context, getenv func(string) string, stdout io.Writer) error

func parts() map[string]part {
	return map[string]part{
		"bare-users":  bareUsers,
		"bare-orders": bareOrders,
		"users":       realUsers,
		"orders":      realOrders,
		"generate":    generate,
	}
}

// options are the flags of the program.
type options struct {
	pace
	only     *regexp.Regexp
	strict   bool
	profiles string
}

// pace is how long and how large everything is.
type pace struct {
	rounds   int
	round    time.Duration // of one side
	overload time.Duration
	idle     time.Duration // before memory is read
	many     int           // orders in a large store
}

func parse(args []string, stdout io.Writer) (o options, err error) {
	flags := flag.NewFlagSet("bench", flag.ContinueOnError)
	flags.SetOutput(stdout)
	short := flags.Bool("short", false, "a minute's smoke test: few, short rounds and small stores; its figures mean little")
	only := flags.String("only", "", "run the benchmarks whose name this regular expression matches: details, telemetry, post-sqlite, post-postgres, list-sqlite, list-postgres, start, overload")
	flags.BoolVar(&o.strict, "strict", false, "exit 1 where a bound is missed")
	flags.StringVar(&o.profiles, "profile", "", "write CPU and allocation profiles of the services of the details call into this folder")
	if err := flags.Parse(args); errors.Is(err, flag.ErrHelp) {
		return o, settings.ErrHelp
	} else if err != nil {
		return o, err
	}
	o.pace = pace{rounds: 5, round: 3 * time.Second, overload: 8 * time.Second, idle: 5 * time.Second, many: 1_000_000}
	if *short {
		o.pace = pace{rounds: 3, round: 300 * time.Millisecond, overload: time.Second, idle: time.Second, many: 50_000}
	}
	o.only, err = regexp.Compile(*only)
	return o, err
}

// benchmark is one group of rows of the table.
type benchmark struct {
	name string
	run  func(context.Context, *lab) ([]row, error)
}

func benchmarks() []benchmark {
	return []benchmark{
		{"details", details},
		{"telemetry", signals},
		{"post-sqlite", func(ctx context.Context, l *lab) ([]row, error) { return post(ctx, l, "SQLite", l.sqlite) }},
		{"post-postgres", func(ctx context.Context, l *lab) ([]row, error) { return post(ctx, l, "PostgreSQL", l.postgres) }},
		{"list-sqlite", func(ctx context.Context, l *lab) ([]row, error) { return list(ctx, l, "SQLite", l.sqlite) }},
		{"list-postgres", func(ctx context.Context, l *lab) ([]row, error) { return list(ctx, l, "PostgreSQL", l.postgres) }},
		{"start", start},
		{"overload", overload},
	}
}

func measure(ctx context.Context, o options, stdout io.Writer) (err error) {
	l, err := newLab(ctx, o)
	if err != nil {
		return err
	}
	defer l.close()
	var t table
	for _, b := range benchmarks() {
		if ctx.Err() != nil || !o.only.MatchString(b.name) {
			continue
		}
		fmt.Fprintf(os.Stderr, "bench: %s\n", b.name)
		rows, failed := b.run(ctx, l)
		if failed != nil {
			err = errors.Join(err, fmt.Errorf("%s could not run: %w", b.name, failed))
		}
		t = append(t, rows...)
	}
	t.print(stdout, l.machine())
	if err == nil && o.strict && t.missed() {
		err = errMissed
	}
	return errors.Join(err, ctx.Err())
}
