package main

import (
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestFork(t *testing.T) {
	if testing.Short() {
		t.Skip("builds the whole repository")
	}
	if os.Getenv("CGO_ENABLED") == "" {
		t.Setenv("CGO_ENABLED", "0") // as the Makefile does, so that nothing is compiled twice
	}
	clone := newClone(t)
	readme, err := os.ReadFile(filepath.Join(clone, "README.md"))
	require.NoError(t, err)
	command := regexp.MustCompile(`(?m)^make fork .*$`).FindString(string(readme))
	require.NotEmpty(t, command, "the README has no line with make fork")
	execute(t, clone, command)
	commit(t, clone)

	t.Run("leaves_no_trace_of_the_old_name", func(t *testing.T) {
		require.Empty(t, search(t, clone, "tandem"))
		require.Empty(t, search(t, clone, "make fork ", ":!CHANGELOG.md"))
		require.NotContains(t, strings.ToLower(execute(t, clone, "git ls-files")), "tandem")
		require.NoDirExists(t, filepath.Join(clone, "src/fork"))
		require.NoDirExists(t, filepath.Join(clone, "charts/tandem"))
		require.FileExists(t, filepath.Join(clone, "src/cmd/shop/main.go"))
	})
	t.Run("builds_and_passes_vet", func(t *testing.T) {
		execute(t, clone, "go build -ldflags=-w ./...") // links faster without debugging information
		execute(t, clone, "go vet ./...")
		execute(t, clone, "cd src/e2e && go vet -tags e2e ./...")
		require.Empty(t, execute(t, clone, "gofmt -l src k8s"))
	})
	t.Run("passes_the_tests_of_a_package", func(t *testing.T) {
		execute(t, clone, "go test ./src/chassis/settings")
	})
	t.Run("has_current_generated_files", func(t *testing.T) {
		execute(t, clone, "make charts docs")
		require.Empty(t, execute(t, clone, "git status --porcelain"))
	})
}

func TestForkRefuses(t *testing.T) {
	t.Run("a_name_that_is_not_usable", func(t *testing.T) {
		for _, tt := range []struct{ module, name, want string }{
			{"", "shop", `MODULE="" is not usable: give the path of a Go module that begins with a domain, such as example.com/shop`},
			{"shop", "shop", `MODULE="shop" is not usable: `},
			{"example.com/", "shop", `MODULE="example.com/" is not usable: `},
			{"example.com/a b", "shop", `MODULE="example.com/a b" is not usable: `},
			{"example.com/shop", "", `NAME="" is not usable: give 3 to 30 lower-case letters and digits that begin with a letter, such as shop`},
			{"example.com/shop", "My-Shop", `NAME="My-Shop" is not usable: `},
			{"example.com/shop", "users", `NAME="users" is not usable, because it is a word of Go or YAML or a part of this project: `},
			{"example.com/shop", "func", `NAME="func" is not usable, because `},
			{"example.com/shop", "true", `NAME="true" is not usable, because `},
		} {
			err := run([]string{"-module", tt.module, "-name", tt.name}, t.TempDir(), io.Discard)
			require.ErrorContains(t, err, tt.want)
		}
	})
	t.Run("a_clone_with_uncommitted_changes", func(t *testing.T) {
		clone := t.TempDir()
		execute(t, clone, "git init --quiet && echo package main > main.go")
		err := run([]string{"-module", "example.com/shop", "-name", "shop"}, clone, io.Discard)
		require.EqualError(t, err, "there are uncommitted changes: commit or stash them first, so that git can undo the rename")
		require.FileExists(t, filepath.Join(clone, "main.go"))
	})
}

func TestReplacer(t *testing.T) {
	to := names{module: "example.com/tandem-shop", name: "shop"}
	const text = "module tandem\nimport tandem/src/orders, image tandem/orders, TandemDown, a\nb fork: begin\nc\nd fork: end\ne\n"
	got, err := rewrite("go.mod", text, to.replacer())
	require.NoError(t, err)
	require.Equal(t, "module example.com/tandem-shop\nimport example.com/tandem-shop/src/orders, image shop/orders, ShopDown, a\ne\n", got)
}

// newClone returns a folder with a git repository that has this repository's
// tracked files, as they are in the working tree, in one commit.
func newClone(t *testing.T) string {
	t.Helper()
	files, err := repository{"../.."}.tracked()
	require.NoError(t, err)
	clone := t.TempDir()
	for _, path := range files {
		copyFile(t, filepath.Join("../..", path), filepath.Join(clone, path))
	}
	execute(t, clone, "git init --quiet")
	commit(t, clone)
	return clone
}

// copyFile copies a regular file or a symbolic link. A file that was deleted in
// the working tree is left out.
func copyFile(t *testing.T, from, to string) {
	t.Helper()
	info, err := os.Lstat(from)
	if os.IsNotExist(err) {
		return
	}
	require.NoError(t, err)
	require.NoError(t, os.MkdirAll(filepath.Dir(to), 0o755))
	if info.Mode()&os.ModeSymlink != 0 {
		target, err := os.Readlink(from)
		require.NoError(t, err)
		require.NoError(t, os.Symlink(target, to))
		return
	}
	text, err := os.ReadFile(from)
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(to, text, info.Mode().Perm()))
}

func commit(t *testing.T, clone string) {
	t.Helper()
	execute(t, clone, "git add --all && git -c user.name=test -c user.email=test@example.com commit --quiet --message test")
}

// search returns the lines of the clone's text files that contain a text,
// regardless of case.
func search(t *testing.T, clone, text string, pathspec ...string) string {
	t.Helper()
	command := exec.Command("git", append([]string{"grep", "-I", "--ignore-case", "--line-number", text, "--"}, pathspec...)...)
	command.Dir = clone
	out, _ := command.Output() // the exit code 1 means that nothing was found
	return string(out)
}

// execute runs a shell command in a folder and returns its standard output.
func execute(t *testing.T, folder, line string) string {
	t.Helper()
	command := exec.Command("bash", "-euo", "pipefail", "-c", line)
	command.Dir = folder
	var stderr strings.Builder
	command.Stderr = &stderr
	out, err := command.Output()
	require.NoError(t, err, "%s: %s%s", line, out, &stderr)
	return string(out)
}
