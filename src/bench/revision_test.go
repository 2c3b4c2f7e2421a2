package main

import (
	"context"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
)

// newRepository returns a git repository of two commits. The services of the
// first one build, those of the second one, HEAD, do not.
func newRepository(t *testing.T) string {
	t.Helper()
	t.Setenv("GIT_CONFIG_GLOBAL", os.DevNull)
	dir := t.TempDir()
	git := func(args ...string) {
		t.Helper()
		_, err := runIn(t.Context(), dir, "git", append([]string{"-c", "user.name=t", "-c", "user.email=t@example.com"}, args...)...)
		require.NoError(t, err)
	}
	write := func(source string) {
		t.Helper()
		for _, service := range []string{"users", "orders"} {
			folder := filepath.Join(dir, "src", "cmd", service)
			require.NoError(t, os.MkdirAll(folder, 0o755))
			require.NoError(t, os.WriteFile(filepath.Join(folder, "main.go"), []byte(source), 0o600))
		}
	}
	require.NoError(t, os.WriteFile(filepath.Join(dir, "go.mod"), []byte("module example.com/services\n\ngo 1.26\n"), 0o600))
	git("init", "--quiet")
	write("package main\n\nfunc main() {}\n")
	git("add", ".")
	git("commit", "--quiet", "--message=services")
	write("no Go")
	git("commit", "--quiet", "--all", "--message=change")
	return dir
}

// requireNoWorktree requires that the repository has no worktree but its own.
func requireNoWorktree(t *testing.T, repository, dir string) {
	t.Helper()
	worktrees, err := os.ReadDir(filepath.Join(repository, ".git", "worktrees"))
	if err == nil {
		require.Empty(t, worktrees)
	} else {
		require.ErrorIs(t, err, os.ErrNotExist)
	}
	require.NoDirExists(t, filepath.Join(dir, "worktree"))
}

func TestBuildRevision(t *testing.T) {
	t.Run("builds the revision, not the working tree", func(t *testing.T) {
		repository, dir := newRepository(t), t.TempDir()
		r, err := buildRevision(t.Context(), repository, "HEAD~1", dir)
		require.NoError(t, err)
		require.Equal(t, "HEAD~1", r.name)
		require.FileExists(t, filepath.Join(r.dir, "users"))
		require.FileExists(t, filepath.Join(r.dir, "orders"))
		requireNoWorktree(t, repository, dir)
	})
	t.Run("removes the worktree after a compile error", func(t *testing.T) {
		repository, dir := newRepository(t), t.TempDir()
		_, err := buildRevision(t.Context(), repository, "HEAD", dir)
		require.ErrorContains(t, err, "go build")
		requireNoWorktree(t, repository, dir)
	})
	t.Run("removes the worktree when it is interrupted", func(t *testing.T) {
		repository, dir := newRepository(t), t.TempDir()
		ctx, cancel := context.WithCancel(t.Context())
		go func() {
			defer cancel()
			for ctx.Err() == nil { // until the worktree is there
				if _, err := os.Stat(filepath.Join(dir, "worktree", "go.mod")); err == nil {
					return
				}
			}
		}()
		_, err := buildRevision(ctx, repository, "HEAD~1", dir)
		require.ErrorIs(t, err, context.Canceled)
		requireNoWorktree(t, repository, dir)
	})
	t.Run("rejects an unknown revision", func(t *testing.T) {
		repository, dir := newRepository(t), t.TempDir()
		_, err := buildRevision(t.Context(), repository, "--nothing", dir)
		require.EqualError(t, err, `-against: "--nothing" is not a git revision`)
		requireNoWorktree(t, repository, dir)
	})
}
