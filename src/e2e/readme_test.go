//go:build e2e

package e2e

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
)

// readmeLines are the README's lines that begin with a command.
func readmeLines(command string) ([]string, error) {
	text, err := os.ReadFile(filepath.Join(root, "README.md"))
	if err != nil {
		return nil, err
	}
	lines := regexp.MustCompile(`(?m)^`+regexp.QuoteMeta(command)+` .*$`).FindAllString(string(text), -1)
	if len(lines) == 0 {
		return nil, fmt.Errorf("the README has no line %q", command)
	}
	return lines, nil
}

// readmeHelm runs the README's lines that begin with a Helm command in the
// namespace, one after the other, with more flags.
func (n namespace) readmeHelm(command string, flags ...string) error {
	lines, err := readmeLines(command)
	for _, line := range lines {
		if err == nil {
			err = run("bash", "-c", "HELM_NAMESPACE="+string(n)+" "+line+" "+strings.Join(flags, " ")).err
		}
	}
	return err
}

// readmeCurl runs the README's curl lines for the API against forwarded ports.
func (n namespace) readmeCurl() error {
	lines, err := readmeLines("curl")
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
