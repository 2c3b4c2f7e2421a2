// Command bench measures the services against the bounds that the project
// promises and prints the results as a Markdown table.
//
// Every comparison alternates rounds of its contenders in one run and reports
// the median of the rounds' ratios, so the result depends little on the machine
// and on other work that the machine does.
//
// With -against REV it compares the working tree with the git revision REV.
//
// The exit code is 0 when a bound is missed, unless -strict is given. It is 1
// when a benchmark cannot run.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"

	"tandem/src/chassis/lifecycle"
)

func main() { os.Exit(lifecycle.Main(run)) }

func run(ctx context.Context, args []string, getenv func(string) string, stdout io.Writer) error {
	if len(args) == 1 {
		if command, ok := subcommands()[args[0]]; ok {
			return withProfiles(getenv("PROFILE"), func() error { return command(ctx, getenv, stdout) })
		}
	}
	o, err := parseOptions(args, stdout)
	if err != nil {
		return err
	}
	return measure(ctx, o, stdout)
}

// subcommand is what this program runs in a child process.
type subcommand func(ctx context.Context, getenv func(string) string, stdout io.Writer) error

// subcommands returns the subcommands by name. They are internal: only this
// program starts them.
func subcommands() map[string]subcommand {
	return map[string]subcommand{
		"baseline-users":  baselineUsers,
		"baseline-orders": baselineOrders,
		"users":           profiledUsers,
		"orders":          profiledOrders,
		"generate":        generate,
		"peer":            peer,
	}
}

// benchmark is one group of rows of the table.
type benchmark struct {
	name    string
	summary string
	// run measures the working tree.
	run func(context.Context, *harness) ([]row, error)
	// against compares the working tree with another revision; nil if the
	// benchmark cannot do that.
	against func(context.Context, *harness) ([]row, error)
}

func benchmarks() []benchmark {
	sqlite, postgres := sqliteEngine(), postgresEngine()
	return []benchmark{
		{"details", "GET /orders/{id}/details compared with the same handlers on plain net/http", details, detailsAgainst},
		{"console", "what the console costs the details call, and how soon a browser paints it", console, nil},
		{"telemetry", "what traces, logs and scrapes cost the details call", telemetryCost, nil},
		{"addresses", "what a call of one of 150 addresses costs, compared with one of three", addresses, nil},
		{"post-sqlite", "POST /orders on SQLite compared with the commit limit of SQLite", sqlite.measurePost, sqlite.postAgainst},
		{"post-postgres", "POST /orders on PostgreSQL compared with the commit limit of PostgreSQL", postgres.measurePost, postgres.postAgainst},
		{"list-sqlite", "lists and statistics of a large SQLite store compared with a small one", sqlite.list, sqlite.listAgainst},
		{"list-postgres", "lists and statistics of a large PostgreSQL store compared with a small one", postgres.list, postgres.listAgainst},
		{"start", "time from exec to ready, and memory when idle", start, nil},
		{"overload", "goodput and health checks under four times the load of saturation", overload, nil},
	}
}

// errMissed is returned when a bound is missed and -strict is given.
var errMissed = errors.New("a bound is missed")

// measure runs the selected benchmarks and prints their rows. A benchmark that
// fails does not stop the following ones.
func measure(ctx context.Context, o options, stdout io.Writer) (err error) {
	h, err := newHarness(ctx, o)
	if err != nil {
		return err
	}
	defer h.close()
	var t table
	for i, b := range o.selected {
		if ctx.Err() != nil {
			break
		}
		fmt.Fprintf(os.Stderr, "bench: %d of %d: %s: %s\n", i+1, len(o.selected), b.name, b.summary)
		run := b.run
		if o.against != "" {
			run = b.against
		}
		rows, runErr := run(ctx, h)
		if runErr != nil {
			err = errors.Join(err, fmt.Errorf("benchmark %s: %w", b.name, runErr))
		}
		t = append(t, rows...)
	}
	t.print(stdout, h.machine())
	if err == nil && o.strict && t.missed() {
		err = errMissed
	}
	return errors.Join(err, ctx.Err())
}
