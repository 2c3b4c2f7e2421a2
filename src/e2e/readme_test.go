//go:build e2e

package e2e

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
)

// documentedLines returns the lines of README.md and docs/*.md that begin with a
// command, in the order of the files. A line that stands in several places is
// returned once.
func documentedLines(command string) (lines []string, err error) {
	files, err := filepath.Glob(filepath.Join(root, "docs", "*.md"))
	if err != nil {
		return nil, err
	}
	pattern := regexp.MustCompile(`(?m)^` + regexp.QuoteMeta(command) + `( .*)?$`)
	for _, file := range append([]string{filepath.Join(root, "README.md")}, files...) {
		text, err := os.ReadFile(file)
		if err != nil {
			return nil, err
		}
		for _, line := range pattern.FindAllString(string(text), -1) {
			if !slices.Contains(lines, line) {
				lines = append(lines, line)
			}
		}
	}
	if len(lines) == 0 {
		return nil, fmt.Errorf("neither README.md nor docs/*.md has a line that begins with %q", command)
	}
	return lines, nil
}

// readmeHelm runs the documentation's lines that begin with a Helm command, in
// this namespace, one after the other, with additional flags.
func (n namespace) readmeHelm(command string, flags ...string) error {
	lines, err := documentedLines(command)
	for _, line := range lines {
		if err == nil {
			err = run("bash", "-c", "HELM_NAMESPACE="+string(n)+" "+line+" "+strings.Join(flags, " ")).err
		}
	}
	return err
}

// readmeCurl runs the documentation's curl lines against forwarded ports.
func (n namespace) readmeCurl() error {
	lines, err := documentedLines("curl")
	if err != nil {
		return err
	}
	return n.through("users", func(users service) error {
		return n.through("orders", func(orders service) error {
			addresses := strings.NewReplacer("http://localhost:5001", users.url, "http://localhost:5002", orders.url,
				"curl ", "curl --silent --show-error --fail ")
			var failed error
			for _, line := range lines {
				failed = errors.Join(failed, run("bash", "-c", addresses.Replace(line)).err)
			}
			return failed
		})
	})
}
