// Command fuzz runs all fuzz tests of the module one after the other, because
// "go test -fuzz" accepts only one fuzz test at a time.
package main

import (
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"time"
)

func main() {
	duration := flag.Duration("time", 10*time.Second, "duration of each fuzz test")
	flag.Parse()
	if err := run(*duration); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

// run returns an error if there is no fuzz test, or if one fails.
func run(duration time.Duration) error {
	packages, err := outputWords("go", "list", "./src/...")
	if err != nil {
		return err
	}
	fmt.Printf("Looking for fuzz tests in %d packages, which are compiled for it.\n", len(packages))
	var found []fuzzTest
	for _, pkg := range packages {
		names, err := fuzzTests(pkg)
		if err != nil {
			return err
		}
		for _, name := range names {
			found = append(found, fuzzTest{pkg, name})
		}
	}
	if len(found) == 0 {
		return errors.New("no fuzz test found")
	}
	for i, test := range found {
		fmt.Printf("%d of %d: %s in %s for %s\n", i+1, len(found), test.name, test.pkg, duration)
		if err := test.run(duration); err != nil {
			return err
		}
	}
	fmt.Printf("%d fuzz tests ran for %s each and found no failure\n", len(found), duration)
	return nil
}

// fuzzTest is one fuzz test of a package.
type fuzzTest struct{ pkg, name string }

// fuzzTests returns the names of the fuzz tests of a package. "go test -list"
// prints them, and a line that begins with "ok" or "?".
func fuzzTests(pkg string) (tests []string, err error) {
	words, err := outputWords("go", "test", "-run", "^$", "-list", "^Fuzz", pkg)
	for _, word := range words {
		if strings.HasPrefix(word, "Fuzz") {
			tests = append(tests, word)
		}
	}
	return tests, err
}

func (f fuzzTest) run(duration time.Duration) error {
	command := exec.Command("go", "test", "-run", "^$", "-fuzz", "^"+f.name+"$", "-fuzztime", duration.String(), f.pkg)
	command.Stdout, command.Stderr = os.Stdout, os.Stderr
	if err := command.Run(); err != nil {
		return fmt.Errorf("%s in %s: %w", f.name, f.pkg, err)
	}
	return nil
}

// outputWords returns the words that a command prints to standard output.
func outputWords(name string, args ...string) ([]string, error) {
	command := exec.Command(name, args...)
	command.Stderr = os.Stderr
	out, err := command.Output()
	if err != nil {
		return nil, fmt.Errorf("%s %s: %w", name, strings.Join(args, " "), err)
	}
	return strings.Fields(string(out)), nil
}
