//go:build e2e

package e2e

import (
	"compress/gzip"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"testing"
)

const (
	mostUnpacked   = 30_000_000 // bytes
	mostCompressed = 12_000_000
)

// TestImages looks at the images that the charts name by default.
func TestImages(t *testing.T) {
	for _, service := range []string{"users", "orders"} {
		version, err := appVersion(service)
		if err != nil {
			t.Fatal(err)
		}
		i := image{name: "tandem/" + service + ":" + version}
		must(t, i.name+" is there", i.inspect)
		check(t, i.name+" runs as a number that is not root's, and starts the service alone", func() error { return i.starts(service) })
		check(t, i.name+" says what it is, of which commit and date", i.labelled)
		check(t, i.name+" is small", i.small)
		check(t, i.name+" has no shell", i.noShell)
	}
}

// labelPrefix begins the names of the labels that the Open Container Initiative
// has defined.
const labelPrefix = "org.opencontainers.image."

// image is what tests read of an image.
type image struct {
	name  string
	about struct {
		Size   int
		Config struct {
			User       string
			Entrypoint []string
			Labels     map[string]string
		}
	}
}

func (i *image) inspect() error {
	return run("docker", "image", "inspect", "--format={{json .}}", i.name).into(&i.about)
}

// starts demands a numeric user: the kubelet can tell of no other that it is
// not root.
func (i *image) starts(service string) error {
	if !regexp.MustCompile(`^[1-9][0-9]*(:[0-9]+)?$`).MatchString(i.about.Config.User) {
		return fmt.Errorf("its user is %q", i.about.Config.User)
	}
	if !slices.Equal(i.about.Config.Entrypoint, []string{"/" + service}) {
		return fmt.Errorf("it starts %v", i.about.Config.Entrypoint)
	}
	return run("docker", "run", "--rm", i.name, "-h").err
}

func (i *image) labelled() error {
	for _, label := range []string{"title", "description", "licenses", "version", "revision", "created"} {
		if value := i.about.Config.Labels[labelPrefix+label]; value == "" || value == "unknown" {
			return fmt.Errorf("%s is %q", label, value)
		}
	}
	return nil
}

func (i *image) small() error {
	compressed, err := i.compressedSize()
	fmt.Printf("              %s: %d kB, compressed %d kB\n", i.name, i.about.Size/1000, compressed/1000)
	if err == nil && (i.about.Size > mostUnpacked || compressed > mostCompressed) {
		err = fmt.Errorf("more than %d and %d bytes", mostUnpacked, mostCompressed)
	}
	return err
}

func (i *image) compressedSize() (int, error) {
	save := exec.Command("docker", "save", i.name)
	layers, err := save.StdoutPipe()
	if err == nil {
		err = save.Start()
	}
	if err != nil {
		return 0, err
	}
	var size counter
	compressed := gzip.NewWriter(&size)
	_, err = io.Copy(compressed, layers)
	return int(size), errors.Join(err, compressed.Close(), save.Wait())
}

func (i *image) noShell() error {
	for _, shell := range []string{"/bin/sh", "/bin/bash", "/bin/busybox"} {
		if err := fails(run("docker", "run", "--rm", "--entrypoint="+shell, i.name, "-c", "true"), "no such file"); err != nil {
			return fmt.Errorf("%s: %w", shell, err)
		}
	}
	return nil
}

// isStamped compares what a release says of its build with its image's labels.
func (n namespace) isStamped(release string) error {
	version, err := appVersion(release)
	if err != nil {
		return err
	}
	i := image{name: "tandem/" + release + ":" + version}
	if err := i.inspect(); err != nil {
		return err
	}
	return n.through(release, func(s service) error {
		build, err := s.call("GET", "/version", "", 200)
		labels := i.about.Config.Labels
		if err == nil && (build["version"] != labels[labelPrefix+"version"] || build["commit"] != labels[labelPrefix+"revision"]) {
			err = fmt.Errorf("it is %v, its image %v", build, labels)
		}
		return err
	})
}

// appVersion is the tag of the image that the chart's default values name.
func appVersion(chart string) (string, error) {
	text, err := os.ReadFile(filepath.Join(root, "charts", chart, "Chart.yaml"))
	if err != nil {
		return "", err
	}
	found := regexp.MustCompile(`(?m)^appVersion: "?([^"\n]+)"?$`).FindSubmatch(text)
	if found == nil {
		return "", fmt.Errorf("the chart %s has no appVersion", chart)
	}
	return string(found[1]), nil
}

// counter counts what is written to it.
type counter int

func (c *counter) Write(p []byte) (int, error) {
	*c += counter(len(p))
	return len(p), nil
}
