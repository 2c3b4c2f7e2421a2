package cmd_test

import (
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"
)

// commands are the lines of the README's shell blocks.
func commands(t *testing.T) (lines []string) {
	t.Helper()
	for _, block := range regexp.MustCompile("(?s)```sh\n(.*?)```").FindAllStringSubmatch(read(t, "README.md"), -1) {
		lines = append(lines, strings.Split(strings.TrimSpace(block[1]), "\n")...)
	}
	require.NotEmpty(t, lines)
	return lines
}

func read(t *testing.T, name string) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join("../..", name))
	require.NoError(t, err)
	return string(text)
}

// TestEveryCommandOfTheREADMEWorks runs "make run" and the curl lines against
// it, on free ports. The rest is CI's to run: make targets, and what needs a
// cluster.
func TestEveryCommandOfTheREADMEWorks(t *testing.T) {
	usersPort, ordersPort := freePort(t), freePort(t)
	ports := strings.NewReplacer("localhost:5001", "localhost:"+usersPort, "localhost:5002", "localhost:"+ordersPort)
	for _, command := range commands(t) {
		switch {
		case command == "make run":
			makeRun(t, usersPort, ordersPort)
		case strings.HasPrefix(command, "curl "):
			out, err := exec.Command("sh", "-c", "exec "+strings.Replace(ports.Replace(command), "curl ", "curl -sS --fail-with-body ", 1)).CombinedOutput()
			require.NoError(t, err, "%s: %s", command, out)
		case regexp.MustCompile("^helm (install|test|upgrade --install) |^kubectl port-forward |^k8s/postgres/install.sh ").MatchString(command):
			// src/e2e, which has a cluster, takes the lines out of the README.
			require.Contains(t, read(t, ".ci/run"), "\nmake e2e\n")
		case command == "make cluster":
			require.Contains(t, read(t, "Makefile"), "\ne2e: cluster ")
		case strings.HasPrefix(command, "tilt up"):
			require.Contains(t, read(t, ".ci/run"), "\ntilt ci")
		case strings.HasPrefix(command, "make "):
			require.Contains(t, read(t, ".ci/run"), "\n"+command, "CI does not run it")
		case strings.HasPrefix(command, "DATA_DIR="):
			runsByItself(t, command)
		default:
			require.Fail(t, "nothing here runs this command", command)
		}
	}
}

// makeRun runs "make run" until the test ends by a Ctrl-C, which a terminal
// sends to make and to what it runs.
func makeRun(t *testing.T, usersPort, ordersPort string) {
	t.Helper()
	command := exec.Command("make", "run")
	command.Dir = "../.."
	command.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	p := start(t, command, "USERS_PORT="+usersPort, "ORDERS_PORT="+ordersPort, "DATA_DIR="+t.TempDir(), "HOME="+os.Getenv("HOME"),
		"GOPROXY="+os.Getenv("GOPROXY"), "GOFLAGS="+os.Getenv("GOFLAGS"))
	t.Cleanup(func() {
		require.NoError(t, syscall.Kill(-p.Process.Pid, syscall.SIGINT))
		p.exit(t)
		require.Equal(t, 2, strings.Count(p.log.String(), `"msg":"stopped"`), "%s", p.log)
	})
	p.await(t, "http://localhost:"+ordersPort+"/health?ready=1")
}

// runsByItself starts a service by a line such as "DATA_DIR=./data bin/users".
func runsByItself(t *testing.T, command string) {
	t.Helper()
	words := strings.Fields(command)
	program, env := filepath.Base(words[len(words)-1]), words[:len(words)-1]
	ready(t, program, env...)
}

func (p *process) await(t *testing.T, url string) {
	t.Helper()
	require.Eventually(t, func() bool {
		response, err := http.Get(url)
		return err == nil && response.Body.Close() == nil && response.StatusCode == http.StatusOK
	}, 4*patience, patience/1000, "%s %s", p.log, p.stderr)
}

func TestTheREADMENamesEverySettingWithItsDefault(t *testing.T) {
	readme := read(t, "README.md")
	setting := regexp.MustCompile(`\[([A-Z_]+);[^\]]*default ([^\]]+)\]`)
	for _, program := range []string{"users", "orders", "tandem"} {
		help := start(t, exec.Command(filepath.Join(bin, program), "-h"))
		require.Zero(t, help.exit(t))
		// Long lines are wrapped.
		text := regexp.MustCompile(`\s+`).ReplaceAllString(help.log.String(), " ")
		found := setting.FindAllStringSubmatch(text, -1)
		require.NotEmpty(t, found, text)
		for _, match := range found {
			row := regexp.MustCompile("(?m)^\\| [^|]*`" + match[1] + "`.*$").FindString(readme)
			require.NotEmpty(t, row, "the README's table does not name %s", match[1])
			require.Contains(t, row, match[2], "the README's row of %s has another default", match[1])
		}
	}
}

func TestTheWorkflowRunsWhatCIRuns(t *testing.T) {
	lines := regexp.MustCompile(`(?m)^(make|tilt) .*$`).FindAllString(read(t, ".ci/run"), -1)
	require.NotEmpty(t, lines)
	for _, line := range lines {
		if line != "make cluster-delete" { // a runner is new
			require.Contains(t, read(t, ".github/workflows/ci.yaml"), "run: "+line+"\n")
		}
	}
}
