//go:build e2e

package e2e

import (
	"compress/gzip"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

const (
	maxImageBytes      = 30_000_000
	maxCompressedBytes = 12_000_000
)

const (
	// testHooksSuffix ends the tag of the images that are built with the build tag
	// testhooks. Only these images know the two environment variables below.
	testHooksSuffix = "-testhooks"
	// faultPortVariable opens the port through which a test injects faults.
	faultPortVariable = "FAULT_PORT"
	// usersDisableVariable disables mechanisms of orders' client of users.
	usersDisableVariable = "USERS_DISABLE"
)

// TestImages examines the images that the charts use by default.
func TestImages(t *testing.T) {
	all := []string{faultPortVariable, usersDisableVariable}
	for service, hooks := range map[string][]string{"users": {faultPortVariable}, "orders": all} {
		t.Run(service, func(t *testing.T) {
			version, err := appVersion(service)
			if err != nil {
				t.Fatal(err)
			}
			i := image{name: "tandem/" + service + ":" + version}
			must(t, i.name+" exists", i.inspect)
			check(t, i.name+" has a numeric user other than root and starts only the service", func() error {
				return i.checkUserAndEntrypoint(service)
			})
			check(t, i.name+" has labels with its title, version, commit and date", i.checkLabels)
			check(t, i.name+" is small", i.checkSize)
			check(t, i.name+" has no shell", i.expectNoShell)
			check(t, i.name+" has none of the test hooks", func() error { return i.expectSettings(all, false) })
			hooked := image{name: i.name + testHooksSuffix}
			check(t, hooked.name+" has the test hooks", func() error { return hooked.expectSettings(hooks, true) })
		})
	}
}

// labelPrefix is the prefix of the labels that the OCI image specification defines.
const labelPrefix = "org.opencontainers.image."

// image is an image and the fields of its configuration that the tests read.
type image struct {
	name   string
	config struct {
		Size   int
		Config struct {
			User       string
			Entrypoint []string
			Labels     map[string]string
		}
	}
}

func (i *image) inspect() error {
	return run("docker", "image", "inspect", "--format={{json .}}", i.name).decode(&i.config)
}

// checkUserAndEntrypoint requires a numeric user: for runAsNonRoot the kubelet
// cannot verify a user name.
func (i *image) checkUserAndEntrypoint(service string) error {
	if !regexp.MustCompile(`^[1-9][0-9]*(:[0-9]+)?$`).MatchString(i.config.Config.User) {
		return fmt.Errorf("the user is %q", i.config.Config.User)
	}
	if !slices.Equal(i.config.Config.Entrypoint, []string{"/" + service}) {
		return fmt.Errorf("the entrypoint is %v", i.config.Config.Entrypoint)
	}
	return run("docker", "run", "--rm", i.name, "-h").err
}

// checkLabels returns an error if a label is missing or unknown.
func (i *image) checkLabels() error {
	for _, label := range []string{"title", "description", "licenses", "version", "revision", "created"} {
		if value := i.config.Config.Labels[labelPrefix+label]; value == "" || value == "unknown" {
			return fmt.Errorf("the label %s is %q", label, value)
		}
	}
	return nil
}

// checkSize prints the sizes of the image and returns an error if one exceeds its
// limit.
func (i *image) checkSize() error {
	compressed, err := i.compressedSize()
	logDetail("%s: %d kB, compressed %d kB", i.name, i.config.Size/1000, compressed/1000)
	if err == nil && (i.config.Size > maxImageBytes || compressed > maxCompressedBytes) {
		err = fmt.Errorf("the size exceeds %d bytes, or %d bytes compressed", maxImageBytes, maxCompressedBytes)
	}
	return err
}

// compressedSize returns the size of the saved image, compressed by gzip, in bytes.
func (i *image) compressedSize() (int, error) {
	save := exec.Command("docker", "save", i.name)
	layers, err := save.StdoutPipe()
	if err == nil {
		err = save.Start()
	}
	if err != nil {
		return 0, err
	}
	var size byteCounter
	compressed := gzip.NewWriter(&size)
	_, err = io.Copy(compressed, layers)
	return int(size), errors.Join(err, compressed.Close(), save.Wait())
}

func (i *image) expectNoShell() error {
	for _, shell := range []string{"/bin/sh", "/bin/bash", "/bin/busybox"} {
		if err := expectFailure(run("docker", "run", "--rm", "--entrypoint="+shell, i.name, "-c", "true"), "no such file"); err != nil {
			return fmt.Errorf("%s: %w", shell, err)
		}
	}
	return nil
}

// expectSettings returns an error unless the program's help mentions each of the
// settings, or none of them, as expected.
func (i *image) expectSettings(names []string, expected bool) error {
	help := run("bash", "-c", "docker run --rm "+i.name+" -h 2>&1")
	if help.err != nil {
		return help.err
	}
	text := strings.ToUpper(strings.ReplaceAll(help.stdout, "-", "_")) // a setting is a flag, too
	if !strings.Contains(text, "LOG_LEVEL") {
		return fmt.Errorf("the help does not list the settings: %s", help.stdout)
	}
	for _, name := range names {
		if strings.Contains(text, name) != expected {
			return fmt.Errorf("the help mentions %s: %t", name, !expected)
		}
	}
	return nil
}

// checkVersion returns an error unless a release's /version is the same as the
// labels of its image.
func (n namespace) checkVersion(release string) error {
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
		labels := i.config.Config.Labels
		if err == nil && (build["version"] != labels[labelPrefix+"version"] || build["commit"] != labels[labelPrefix+"revision"]) {
			err = fmt.Errorf("/version is %v, the labels of the image are %v", build, labels)
		}
		return err
	})
}

// usesTestHooks reports whether a release runs the image with the test hooks.
func (n namespace) usesTestHooks(release string) (bool, error) {
	image := n.kubectl("get", "deployment", release, "--output=jsonpath={.spec.template.spec.containers[0].image}")
	return strings.HasSuffix(image.stdout, testHooksSuffix), image.err
}

// testHooksValues returns the Helm flags that select the image with the test hooks
// and set environment variables, given as names and values in turn.
func testHooksValues(chart string, environment ...string) ([]string, error) {
	version, err := appVersion(chart)
	return []string{"--set=image.tag=" + version + testHooksSuffix, extraEnv(environment...)}, err
}

// productionValues returns the Helm flags that select the production image and set
// environment variables, given as names and values in turn.
func productionValues(environment ...string) []string {
	return []string{"--set=image.tag=", extraEnv(environment...)}
}

// extraEnv returns the Helm flag that sets extraEnv, and so replaces its previous
// value.
func extraEnv(environment ...string) string {
	type variable struct {
		Name  string `json:"name"`
		Value string `json:"value"`
	}
	variables := []variable{}
	for i := 0; i < len(environment); i += 2 {
		variables = append(variables, variable{environment[i], environment[i+1]})
	}
	text, _ := json.Marshal(variables)
	return "--set-json=extraEnv=" + string(text)
}

// appVersion returns a chart's appVersion, which is the tag of its default image.
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

// byteCounter counts the bytes that are written to it.
type byteCounter int

func (c *byteCounter) Write(p []byte) (int, error) {
	*c += byteCounter(len(p))
	return len(p), nil
}
