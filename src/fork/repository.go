package main

import (
	"bytes"
	"errors"
	"fmt"
	"go/format"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
)

// ownFolder has the source of this program.
const ownFolder = "src/fork/"

// repository is a clone in a folder.
type repository struct{ root string }

// requireClean returns an error if the clone has changes that the rename would
// mix with its own.
func (r repository) requireClean() error {
	changes, err := r.git("status", "--porcelain")
	if err == nil && changes != "" {
		err = errors.New("there are uncommitted changes: commit or stash them first, so that git can undo the rename")
	}
	return err
}

// tracked returns the paths of all files in git, below the root.
func (r repository) tracked() ([]string, error) {
	list, err := r.git("ls-files", "-z")
	if err != nil {
		return nil, err
	}
	return strings.FieldsFunc(list, func(c rune) bool { return c == 0 }), nil
}

func (r repository) git(args ...string) (string, error) {
	command := exec.Command("git", args...)
	command.Dir = r.root
	var stderr bytes.Buffer
	command.Stderr = &stderr
	out, err := command.Output()
	if err != nil {
		return "", fmt.Errorf("git %s: %w: %s", args[0], err, stderr.String())
	}
	return string(out), nil
}

// rename rewrites every file, moves those whose path has the old name, and
// removes this program.
func (r repository) rename(files []string, to names) error {
	replacer := to.replacer()
	for _, path := range files {
		if strings.HasPrefix(path, ownFolder) {
			continue
		}
		if err := r.renameFile(path, replacer); err != nil {
			return fmt.Errorf("%s: %w", path, err)
		}
	}
	return os.RemoveAll(filepath.Join(r.root, ownFolder))
}

func (r repository) renameFile(path string, replacer *strings.Replacer) error {
	file := filepath.Join(r.root, path)
	info, err := os.Lstat(file)
	if err != nil || !info.Mode().IsRegular() { // a symbolic link to another chart stays
		return err
	}
	before, err := os.ReadFile(file)
	if err != nil {
		return err
	}
	after, err := rewrite(path, string(before), replacer)
	if err != nil {
		return err
	}
	target := filepath.Join(r.root, replacer.Replace(path))
	if target == file && string(before) == after {
		return nil
	}
	return move(file, target, after, info.Mode())
}

// rewrite returns the text of a file in the fork. Go files are formatted, since
// the alignment of a table depends on the length of a name.
func rewrite(path, text string, replacer *strings.Replacer) (string, error) {
	text = replacer.Replace(withoutForkParts(text))
	if filepath.Ext(path) != ".go" {
		return text, nil
	}
	formatted, err := format.Source([]byte(text))
	return string(formatted), err
}

// withoutForkParts removes what a fork does not need: the lines from one with
// "fork: begin" to one with "fork: end".
func withoutForkParts(text string) string {
	return regexp.MustCompile(`(?ms)^[^\n]*fork: begin[^\n]*\n.*?^[^\n]*fork: end[^\n]*\n`).ReplaceAllString(text, "")
}

// move writes a text to target and removes the file if that is another one.
func move(file, target, text string, mode fs.FileMode) error {
	if err := os.MkdirAll(filepath.Dir(target), 0o755); err != nil { //nolint:gosec // like every folder of the clone
		return err
	}
	if err := os.WriteFile(target, []byte(text), mode.Perm()); err != nil {
		return err
	}
	if target == file {
		return nil
	}
	if err := os.Remove(file); err != nil {
		return err
	}
	for folder := filepath.Dir(file); os.Remove(folder) == nil; folder = filepath.Dir(folder) { // fails if the folder has other files
	}
	return nil
}
