// Command fuzz runs every fuzz target of the module for a while, one after the
// other: "go test -fuzz" takes one at a time.
package main

import (
	"flag"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"time"
)

func main() {
	each := flag.Duration("time", 10*time.Second, "time for each target")
	flag.Parse()
	if err := run(*each); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func run(each time.Duration) error {
	packages, err := output("go", "list", "./src/...")
	if err != nil {
		return err
	}
	targets := 0
	for _, pkg := range packages {
		names, err := output("go", "test", "-run", "^$", "-list", "^Fuzz", pkg)
		if err != nil {
			return err
		}
		for _, name := range names {
			if !strings.HasPrefix(name, "Fuzz") {
				continue
			}
			targets++
			if err := fuzz(pkg, name, each); err != nil {
				return err
			}
		}
	}
	fmt.Printf("fuzzed %d targets for %s each: nothing found\n", targets, each)
	return nil
}

func fuzz(pkg, name string, each time.Duration) error {
	fmt.Println(pkg, name)
	command := exec.Command("go", "test", "-run", "^$", "-fuzz", "^"+name+"$", "-fuzztime", each.String(), pkg)
	command.Stdout, command.Stderr = os.Stdout, os.Stderr
	if err := command.Run(); err != nil {
		return fmt.Errorf("%s in %s: %w", name, pkg, err)
	}
	return nil
}

// output is the words that a command prints.
func output(name string, args ...string) ([]string, error) {
	command := exec.Command(name, args...)
	command.Stderr = os.Stderr
	out, err := command.Output()
	if err != nil {
		return nil, fmt.Errorf("%s %s: %w", name, strings.Join(args, " "), err)
	}
	return strings.Fields(string(out)), nil
}
