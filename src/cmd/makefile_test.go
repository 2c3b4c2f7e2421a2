package cmd_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
)

// makeWithStub runs a target with a program in the place of go, which says that there is
// no C compiler, and returns the output.
func makeWithStub(t *testing.T, target string, env ...string) (out string, err error) {
	t.Helper()
	dir := t.TempDir()
	const script = `#!/bin/sh
case "$*" in
"env CC") echo no-such-compiler ;;
"list ./src/...") echo example/a example/b ;;
"list -deps"*) echo a; echo b; echo c ;;
"build -v"*) echo a >&2; echo "a.go:1:2: unused" >&2; echo b >&2 ;;
"test"*src/chassis*) ;;
"test"*) printf 'ok  \texample/a\t0.1s\n--- FAIL: TestB\nFAIL\texample/b\t0.2s\nFAIL\n' ;;
esac
echo "CGO_ENABLED=$CGO_ENABLED go $*" >>"` + "$DIR" + `/calls"
`
	require.NoError(t, os.WriteFile(filepath.Join(dir, "go"), []byte(script), 0o755))
	command := exec.Command("make", target)
	command.Dir = "../.."
	command.Env = append([]string{"PATH=" + dir + ":/usr/bin:/bin", "DIR=" + dir}, env...)
	text, err := command.CombinedOutput()
	calls, readErr := os.ReadFile(filepath.Join(dir, "calls"))
	require.NoError(t, readErr)
	return string(text) + string(calls), err
}

func TestMake(t *testing.T) {
	t.Run("tests without a C compiler and numbers the results", func(t *testing.T) {
		out, err := makeWithStub(t, "test")
		require.NoError(t, err, out)
		require.Contains(t, out, "There is no C compiler: tests run without the race detector.\nTesting 2 packages;")
		require.Contains(t, out, "[1 of 2] ok  \texample/a\t0.1s\n--- FAIL: TestB\n[2 of 2] FAIL\texample/b\t0.2s\nFAIL\n")
		require.Contains(t, out, "CGO_ENABLED=0 go test -timeout 20m example/a example/b\n")
	})
	t.Run("fails without a C compiler in CI", func(t *testing.T) {
		out, err := makeWithStub(t, "test", "CI=true")
		require.Error(t, err, out)
		require.NotContains(t, out, "go test -timeout")
	})
	t.Run("counts the packages of a build and shows its errors", func(t *testing.T) {
		out, err := makeWithStub(t, "build")
		require.NoError(t, err, out)
		require.Contains(t, out, "Building bin/users, bin/orders and bin/tandem;")
		require.Contains(t, out, "a.go:1:2: unused\n")
	})
}
