//go:build e2e

package e2e

import (
	"fmt"
	"os"
	"regexp"
	"runtime"
	"strconv"
	"strings"
)

// machine names what the tests run on.
func machine() string {
	var server struct{ ServerVersion struct{ GitVersion string } }
	_ = kubectl("version", "--output=json").into(&server)
	return fmt.Sprintf("%d cores (%s), %s GiB, three nodes of kind, Kubernetes %s", runtime.NumCPU(),
		from("/proc/cpuinfo", `model name\s*: (.+)`), gibibytes(from("/proc/meminfo", `MemTotal: *(\d+) kB`)),
		strings.TrimPrefix(server.ServerVersion.GitVersion, "v"))
}

// from is what a file says in the only group of an expression.
func from(file, expression string) string {
	text, _ := os.ReadFile(file)
	found := regexp.MustCompile(expression).FindSubmatch(text)
	if found == nil {
		return "unknown"
	}
	return string(found[1])
}

func gibibytes(kibibytes string) string {
	n, err := strconv.Atoi(kibibytes)
	if err != nil {
		return kibibytes
	}
	return strconv.Itoa((n + 1<<19) >> 20)
}
