// Command release writes everything that a version consists of into a folder: the
// archives of the charts, the binaries for amd64 and arm64, the images of the
// host's platform, and their checksums. It publishes nothing. Run it in the root
// of the repository:
//
//	make release VERSION=0.2.0
package main

import (
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
)

func main() {
	if err := run(os.Args[1:], ".", os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

// release is one version.
type release struct {
	root     string // of the repository
	dist     string // absolute path of the folder to write to
	version  string // of charts, programs and images
	registry string // in which the charts look for the images; empty: that of the sources
	ldflags  string // that give the programs their version
	stdout   io.Writer
}

// run makes the release that the arguments describe.
func run(args []string, root string, stdout io.Writer) error {
	r := release{root: root, stdout: stdout}
	flags := flag.NewFlagSet("release", flag.ContinueOnError)
	flags.StringVar(&r.version, "version", "", "version of charts, programs and images")
	flags.StringVar(&r.registry, "registry", "", "registry of the images, such as ghcr.io/example")
	flags.StringVar(&r.ldflags, "ldflags", "", "flags of the linker")
	flags.StringVar(&r.dist, "dist", "dist", "folder to write to, in the repository; what it has is removed")
	if err := flags.Parse(args); err != nil {
		return err
	}
	if err := validate(r.version); err != nil {
		return err
	}
	var err error
	if r.dist, err = filepath.Abs(filepath.Join(root, r.dist)); err != nil {
		return err
	}
	return r.write()
}

// validate returns an error for a version that a chart or an image cannot have.
func validate(version string) error {
	const number = `(0|[1-9][0-9]*)`
	if !regexp.MustCompile(`^` + number + `\.` + number + `\.` + number + `(-[0-9A-Za-z][0-9A-Za-z.-]*)?$`).MatchString(version) {
		return fmt.Errorf("VERSION=%q is not a semantic version: give one without a v, such as 0.2.0 or 0.2.0-rc.1", version)
	}
	return nil
}

// write writes the parts of the release.
func (r release) write() error {
	if err := errors.Join(os.RemoveAll(r.dist), os.MkdirAll(r.dist, 0o755)); err != nil { //nolint:gosec // readable by everybody
		return err
	}
	for _, part := range []func() error{r.charts, r.binaries, r.images, r.checksums} {
		if err := part(); err != nil {
			return err
		}
	}
	fmt.Fprintf(r.stdout, "Version %s is in %s.\n", r.version, r.dist)
	return nil
}

// path returns the path of a file in the release's folder.
func (r release) path(name string) string { return filepath.Join(r.dist, name) }

// execute runs a command in the root of the repository. env is added to its
// environment.
func (r release) execute(env []string, name string, args ...string) error {
	command := exec.Command(name, args...)
	command.Dir = r.root
	command.Env = append(os.Environ(), env...)
	command.Stdout, command.Stderr = r.stdout, os.Stderr
	if err := command.Run(); err != nil {
		return fmt.Errorf("%s: %w", name, err)
	}
	return nil
}
