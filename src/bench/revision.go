package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"time"
)

// revision is a build of both services.
type revision struct {
	name string
	dir  string // of the binaries
}

// deployment returns the services of the revision with all telemetry on, as
// they are released. The caller adds storage.
func (r revision) deployment(c *collector) deployment {
	return deployment{
		revision:      r,
		usersCommand:  []string{filepath.Join(r.dir, "users")},
		ordersCommand: []string{filepath.Join(r.dir, "orders")},
		env:           c.env(),
	}
}

// buildServices builds both services from the module in source. flags are further
// flags of "go build".
func buildServices(ctx context.Context, source, binaries string, flags ...string) error {
	if err := os.MkdirAll(binaries, 0o755); err != nil {
		return err
	}
	arguments := append([]string{"build", "-o", binaries + string(filepath.Separator)}, flags...)
	_, err := runIn(ctx, source, "go", append(arguments, "./src/cmd/users", "./src/cmd/orders")...)
	return err
}

// buildRevision builds both services of a revision of the git repository into a
// new folder below dir. It checks the revision out in a temporary worktree and
// removes that before it returns, also after an error and when ctx ends.
func buildRevision(ctx context.Context, repository, name, dir string) (r revision, err error) {
	commit, err := runIn(ctx, repository, "git", "rev-parse", "--verify", "--quiet", "--end-of-options", name+"^{commit}")
	if err != nil {
		return r, fmt.Errorf("-against: %q is not a git revision", name)
	}
	source := filepath.Join(dir, "worktree")
	defer func() { err = errors.Join(err, removeWorktree(context.WithoutCancel(ctx), repository, source)) }()
	if _, err := runIn(ctx, repository, "git", "worktree", "add", "--detach", source, commit); err != nil {
		return r, err
	}
	r = revision{name: name, dir: filepath.Join(dir, "before")}
	return r, buildServices(ctx, source, r.dir)
}

// removeWorktree removes a worktree and its entry in the repository. An
// interrupted "git worktree add" may have left either of them alone.
func removeWorktree(ctx context.Context, repository, path string) error {
	if _, err := runIn(ctx, repository, "git", "worktree", "remove", "--force", path); err == nil {
		return nil
	}
	if err := os.RemoveAll(path); err != nil {
		return err
	}
	_, err := runIn(ctx, repository, "git", "worktree", "prune")
	return err
}

// runIn runs a command in a folder and returns what it prints, without the
// space around it. When ctx ends, the command gets SIGTERM and the error is that
// of ctx.
func runIn(ctx context.Context, dir, name string, args ...string) (string, error) {
	cmd := exec.CommandContext(ctx, name, args...)
	cmd.Dir = dir
	cmd.Cancel = func() error { return cmd.Process.Signal(syscall.SIGTERM) }
	cmd.WaitDelay = 10 * time.Second
	out, err := cmd.Output()
	if err != nil && ctx.Err() != nil {
		return "", ctx.Err()
	}
	if exit, ok := errors.AsType[*exec.ExitError](err); ok {
		err = fmt.Errorf("%s: %w: %s", strings.Join(cmd.Args, " "), err, exit.Stderr)
	}
	return strings.TrimSpace(string(out)), err
}
