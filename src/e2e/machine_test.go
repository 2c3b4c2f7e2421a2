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

// describeMachine returns the hardware and the Kubernetes version that the tests
// run on, as the results name them.
func describeMachine() string {
	return fmt.Sprintf("%d cores (%s), %s GiB, three nodes of kind, Kubernetes %s", runtime.NumCPU(),
		firstMatch("/proc/cpuinfo", `model name\s*: (.+)`), gibibytes(firstMatch("/proc/meminfo", `MemTotal: *(\d+) kB`)),
		kubernetesVersion())
}

// kubernetesVersion returns the version of the cluster, such as 1.37.2.
func kubernetesVersion() string {
	var version struct{ ServerVersion struct{ GitVersion string } }
	_ = kubectl("version", "--output=json").decode(&version)
	return strings.TrimPrefix(version.ServerVersion.GitVersion, "v")
}

// firstMatch returns the first submatch of a regular expression in a file, or
// "unknown".
func firstMatch(file, pattern string) string {
	text, _ := os.ReadFile(file)
	found := regexp.MustCompile(pattern).FindSubmatch(text)
	if found == nil {
		return "unknown"
	}
	return string(found[1])
}

// gibibytes converts a number of KiB to GiB, rounded. It returns other text
// unchanged.
func gibibytes(kibibytes string) string {
	n, err := strconv.Atoi(kibibytes)
	if err != nil {
		return kibibytes
	}
	return strconv.Itoa((n + 1<<19) >> 20)
}
