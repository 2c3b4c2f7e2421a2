package main

import (
	"errors"
	"flag"
	"fmt"
	"io"
	"strings"
	"time"

	"tandem/src/chassis/settings"
)

// options are the values of the program's flags.
type options struct {
	scale
	selected []benchmark
	against  string // git revision; empty for none
	strict   bool
	profiles string // folder; empty for none
}

// scale says how long rounds take and how large stores are.
type scale struct {
	rounds           int           // that count, for each contender
	roundDuration    time.Duration // of one contender
	overloadDuration time.Duration // of one round of overload
	idleDuration     time.Duration // before memory is read
	largeStore       int           // number of orders in a large store
}

// parseOptions returns settings.ErrHelp after it has printed the help.
func parseOptions(args []string, stdout io.Writer) (o options, err error) {
	flags := flag.NewFlagSet("bench", flag.ContinueOnError)
	flags.SetOutput(stdout)
	flags.Usage = func() { printUsage(flags) }
	only := flags.String("only", "", "run only these benchmarks: `names` separated by commas; post and list mean both databases")
	flags.StringVar(&o.against, "against", "", "compare the working tree with this git `revision`:"+
		" build it in a temporary worktree and alternate rounds of both builds")
	short := flags.Bool("short", false, "use few, short rounds and small stores; the results mean little")
	rounds := flags.Int("rounds", 0, "measured `rounds` of each contender; one more warms up (default 5; 9 with -against; 3 with -short)")
	flags.BoolVar(&o.strict, "strict", false, "exit with code 1 when a bound is missed")
	flags.StringVar(&o.profiles, "profile", "",
		"write CPU and allocation profiles of the services of the benchmarks details and post to this `folder`")
	if err := flags.Parse(args); errors.Is(err, flag.ErrHelp) {
		return o, settings.ErrHelp
	} else if err != nil {
		return o, err
	}
	if err := o.validate(flags, *rounds); err != nil {
		return o, err
	}
	o.scale = newScale(*short, o.against != "", *rounds)
	o.selected, err = selectBenchmarks(*only, o.against != "")
	return o, err
}

func (o options) validate(flags *flag.FlagSet, rounds int) error {
	switch {
	case flags.NArg() > 0:
		return fmt.Errorf("unexpected argument %q", flags.Arg(0))
	case rounds < 0:
		return errors.New("-rounds must be positive")
	case o.against != "" && o.profiles != "":
		return errors.New("-profile and -against cannot be combined")
	}
	return nil
}

func printUsage(flags *flag.FlagSet) {
	out := flags.Output()
	fmt.Fprint(out, "Usage: go run ./src/bench [flags]\n\nBenchmarks (those marked * support -against):\n")
	for _, b := range benchmarks() {
		mark := ""
		if b.against != nil {
			mark = "*"
		}
		fmt.Fprintf(out, "  %-15s %s\n", b.name+mark, b.summary)
	}
	fmt.Fprint(out, "\nFlags:\n")
	flags.PrintDefaults()
}

// newScale returns the scale of a run. If rounds is 0, the scale chooses.
func newScale(short, against bool, rounds int) scale {
	s := scale{
		rounds: 5, roundDuration: 3 * time.Second, overloadDuration: 8 * time.Second,
		idleDuration: 5 * time.Second, largeStore: 1_000_000,
	}
	if against {
		s.rounds = 9
	}
	if short {
		s = scale{
			rounds: 3, roundDuration: 300 * time.Millisecond, overloadDuration: time.Second,
			idleDuration: time.Second, largeStore: 50_000,
		}
	}
	if rounds > 0 {
		s.rounds = rounds
	}
	return s
}

// selectBenchmarks returns the benchmarks that only names, in the order of the
// table. A name is that of a benchmark or the part of it before the dash.
// Without names it returns all that can run.
func selectBenchmarks(only string, against bool) (selected []benchmark, err error) {
	var valid []string
	wanted := map[string]bool{}
	for name := range strings.SplitSeq(only, ",") {
		if name != "" {
			wanted[name] = false
		}
	}
	for _, b := range benchmarks() {
		if against && b.against == nil {
			continue
		}
		valid = append(valid, b.name)
		group, _, _ := strings.Cut(b.name, "-")
		_, named := wanted[b.name]
		_, inGroup := wanted[group]
		if named || inGroup || len(wanted) == 0 {
			selected = append(selected, b)
		}
		if named {
			wanted[b.name] = true
		}
		if inGroup {
			wanted[group] = true
		}
	}
	for name, found := range wanted {
		if !found {
			return nil, unknownName(name, valid, against)
		}
	}
	return selected, nil
}

func unknownName(name string, valid []string, against bool) error {
	kind := "benchmark"
	if against {
		kind = "benchmark that supports -against"
	}
	return fmt.Errorf("-only: %q is not a %s; valid names are %s", name, kind, strings.Join(valid, ", "))
}
