// Command fuzz runs all fuzz tests of the module one after the other, because
// "go test -fuzz" accepts only one fuzz test at a time.
package main

import (
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/exec"
	"regexp"
	"slices"
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
	found, err := fuzzTests()
	if err != nil {
		return err
	}
	if len(found) == 0 {
		return errors.New("no fuzz test found")
	}
	for i, test := range found {
		fmt.Printf("%d of %d: %s in %s for %s, after its package is compiled\n", i+1, len(found), test.name, test.pkg, duration)
		if err := test.run(duration); err != nil {
			return err
		}
	}
	fmt.Printf("%d fuzz tests ran for %s each and found no failure\n", len(found), duration)
	return nil
}

// fuzzTest is one fuzz test of a package.
type fuzzTest struct{ pkg, name string }

// testFiles is a template of "go list" for a line with the import path and the path
// of each file of tests. File names do not contain white space.
const testFiles = `{{range .TestGoFiles}}{{$.ImportPath}} {{$.Dir}}/{{.}} {{end}}` +
	`{{range .XTestGoFiles}}{{$.ImportPath}} {{$.Dir}}/{{.}} {{end}}`

// fuzzTests returns all fuzz tests. It reads the sources, since "go test -list" would
// compile every package.
func fuzzTests() (tests []fuzzTest, err error) {
	words, err := outputWords("go", "list", "-f", testFiles, "./src/...")
	if err != nil {
		return nil, err
	}
	declaration := regexp.MustCompile(`(?m)^func (Fuzz\w+)\(`)
	for file := range slices.Chunk(words, 2) {
		source, err := os.ReadFile(file[1])
		if err != nil {
			return nil, fmt.Errorf("read the tests: %w", err)
		}
		for _, match := range declaration.FindAllStringSubmatch(string(source), -1) {
			tests = append(tests, fuzzTest{file[0], match[1]})
		}
	}
	return tests, nil
}

// run runs the fuzz test, and once more if it has only lost the race at its end.
func (f fuzzTest) run(duration time.Duration) error {
	output, err := f.runOnce(duration)
	if err != nil && isDeadlineRace(output) {
		fmt.Printf("%s found no failure, but Go's deadline for it passed (go.dev/issue/75804); once more\n", f.name)
		_, err = f.runOnce(duration)
	}
	if err != nil {
		return fmt.Errorf("%s in %s: %w", f.name, f.pkg, err)
	}
	return nil
}

// runOnce also returns what the fuzz test has printed.
func (f fuzzTest) runOnce(duration time.Duration) (string, error) {
	var output strings.Builder
	command := exec.Command("go", "test", "-run", "^$", "-fuzz", "^"+f.name+"$", "-fuzztime", duration.String(), f.pkg)
	both := io.MultiWriter(os.Stdout, &output)
	command.Stdout, command.Stderr = both, both
	err := command.Run()
	return output.String(), err
}

// isDeadlineRace returns whether a fuzz test has failed although no input has: before
// Go 1.27, the end of -fuzztime may count as a failure on a busy machine. An input that
// fails is always written to a file.
func isDeadlineRace(output string) bool {
	return strings.Contains(output, "\n    context deadline exceeded\n") && !strings.Contains(output, "Failing input written to")
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
