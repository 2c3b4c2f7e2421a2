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

// commands returns the lines of the shell blocks in README.md and docs/*.md.
func commands(t *testing.T) (lines []string) {
	t.Helper()
	files, err := filepath.Glob("../../docs/*.md")
	require.NoError(t, err)
	for _, file := range append([]string{"../../README.md"}, files...) {
		text, err := os.ReadFile(file)
		require.NoError(t, err)
		for _, block := range regexp.MustCompile("(?s)```sh\n(.*?)```").FindAllStringSubmatch(string(text), -1) {
			lines = append(lines, strings.Split(strings.TrimSpace(block[1]), "\n")...)
		}
	}
	require.NotEmpty(t, lines)
	return lines
}

// read returns the text of a file of the repository.
func read(t *testing.T, name string) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join("../..", name))
	require.NoError(t, err)
	return string(text)
}

// TestReadmeCommands runs "make run" and the curl lines of the documentation
// against it, on free ports. CI runs the other commands: make targets, and those
// that need a cluster.
func TestReadmeCommands(t *testing.T) {
	usersPort, ordersPort := freePort(t), freePort(t)
	ports := strings.NewReplacer("localhost:5001", "localhost:"+usersPort, "localhost:5002", "localhost:"+ordersPort)
	for _, command := range commands(t) {
		switch {
		case command == "make run":
			makeRun(t, usersPort, ordersPort)
		case strings.HasPrefix(command, "curl "):
			line := "exec " + strings.Replace(ports.Replace(command), "curl ", "curl -sS --fail-with-body ", 1)
			out, err := exec.Command("sh", "-c", line).CombinedOutput()
			require.NoError(t, err, "%s: %s", command, out)
		case regexp.MustCompile("^helm (install|test|upgrade --install) |^kubectl port-forward |^k8s/postgres/install.sh ").MatchString(command):
			// The tests in src/e2e, which have a cluster, run these lines of the documentation.
			require.Contains(t, read(t, ".ci/run"), "\nmake e2e\n")
		case regexp.MustCompile(`^\s*(helm (-n NAMESPACE )?(package|push|get|rollback|upgrade)|` +
			`kubectl (-n NAMESPACE )?(get|scale|apply)) |^ *({|END$)`).MatchString(command):
			// The tests in src/e2e do the same with other names: umbrella_test.go packages, upgrades_test.go goes back.
			require.FileExists(t, "../e2e/upgrades_test.go")
		case command == "make cluster", command == "make cluster && tilt up":
			require.Contains(t, read(t, "Makefile"), "\ne2e: cluster ")
			require.Contains(t, read(t, ".ci/run"), "\ntilt ci")
		case strings.HasPrefix(command, "tilt up"):
			require.Contains(t, read(t, ".ci/run"), "\ntilt ci")
		// fork: begin
		case strings.HasPrefix(command, "make fork "):
			// The test of src/fork runs this line in a copy of the repository.
			require.FileExists(t, "../fork/fork_test.go")
		// fork: end
		case strings.HasPrefix(command, "make "):
			require.Contains(t, read(t, ".ci/run"), "\n"+command, "CI does not run it")
		case strings.HasPrefix(command, "kubectl exec "):
			require.Contains(t, read(t, "src/e2e/default_install_test.go"), `"/orders", "backup", "-"`)
		case strings.HasPrefix(command, "DATA_DIR=data bin/orders backup "):
			backUp(t, command)
		case strings.HasPrefix(command, "DATA_DIR="):
			startAlone(t, command)
		default:
			require.Fail(t, "no test and no CI step runs this command", command)
		}
	}
}

// makeRun runs "make run" until the end of the test. It then sends SIGINT to make
// and its children, as a terminal does for Ctrl-C.
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

// startAlone starts a service with a line such as "DATA_DIR=./data bin/users".
func startAlone(t *testing.T, command string) {
	t.Helper()
	words := strings.Fields(command)
	program, env := filepath.Base(words[len(words)-1]), words[:len(words)-1]
	startReady(t, program, env...)
}

// backUp runs a line that backs up the files of a service in the folder data.
func backUp(t *testing.T, command string) {
	t.Helper()
	dir := t.TempDir()
	startReady(t, "orders", "DATA_DIR="+filepath.Join(dir, "data"))
	shell := exec.Command("sh", "-c", strings.Replace(command, "bin/", bin+"/", 1))
	shell.Dir = dir
	out, err := shell.CombinedOutput()
	require.NoError(t, err, "%s: %s", command, out)
	require.FileExists(t, filepath.Join(dir, filepath.Base(command[strings.LastIndex(command, " ")+1:])))
}

// await waits until the URL responds with 200.
func (p *process) await(t *testing.T, url string) {
	t.Helper()
	require.Eventually(t, func() bool {
		response, err := http.Get(url)
		return err == nil && response.Body.Close() == nil && response.StatusCode == http.StatusOK
	}, 4*patience, patience/1000, "%s %s", p.log, p.stderr)
}

func TestWorkflow(t *testing.T) {
	t.Run("runs each command of CI", func(t *testing.T) {
		lines := regexp.MustCompile(`(?m)^(make|tilt) .*$`).FindAllString(read(t, ".ci/run"), -1)
		require.NotEmpty(t, lines)
		for _, line := range lines {
			if line != "make cluster-delete" { // a runner has no old cluster
				require.Contains(t, read(t, ".github/workflows/ci.yaml"), "run: "+line+"\n")
			}
		}
	})
}
