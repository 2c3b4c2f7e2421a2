//go:build e2e

package e2e

import (
	"crypto/rand"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// cluster is the name that stands in k8s/kind.yaml.
const cluster = "tandem"

// mark is the label of every namespace that a run makes.
const mark = "tandem-e2e"

// thisRun is part of the names of this run's namespaces, so that nobody has to
// wait until those of the last one are gone.
var thisRun = strings.ToLower(rand.Text()[:5])

// kind is the program, such as "go tool kind".
var kind = strings.Fields(setting("KIND", "kind"))

func setting(name, otherwise string) string {
	if value := os.Getenv(name); value != "" {
		return value
	}
	return otherwise
}

func TestMain(m *testing.M) {
	os.Exit(prepared(m.Run))
}

// prepared runs the tests on a cluster that is ready for them.
func prepared(tests func() int) int {
	dir, err := os.MkdirTemp("", mark)
	if err == nil {
		defer os.RemoveAll(dir)
		err = prepare(filepath.Join(dir, "kubeconfig"))
	}
	if err != nil {
		fmt.Println(err)
		return 1
	}
	return tests()
}

// prepare makes the cluster, unless it is there, and brings the images to it.
func prepare(kubeconfig string) error {
	for _, s := range []struct {
		what string
		do   func() error
	}{
		{"the cluster is there", makeCluster},
		{"kubectl and helm reach it and no other", func() error { return useCluster(kubeconfig) }},
		{"the images are built", func() error { return eachImage(build) }},
		{"every node has the images", func() error { return eachImage(load) }},
		{"the last run's namespaces go", func() error {
			return kubectl("delete", "namespace", "--selector", mark, "--ignore-not-found", "--wait=false").err
		}},
	} {
		if err := timed("setup", s.what, s.do); err != nil {
			return err
		}
	}
	return nil
}

func makeCluster() error {
	clusters := run(append(kind, "get", "clusters")...)
	if clusters.err != nil || slices.Contains(strings.Fields(clusters.text), cluster) {
		return clusters.err
	}
	create := append(slices.Clone(kind), "create", "cluster", "--config=k8s/kind.yaml", "--wait=5m")
	if image := os.Getenv("KIND_NODE_IMAGE"); image != "" {
		create = append(create, "--image="+image)
	}
	return run(create...).err
}

// useCluster points every program that a test starts at the cluster, whatever
// the current context is.
func useCluster(config string) error {
	if r := run(append(kind, "export", "kubeconfig", "--name="+cluster, "--kubeconfig="+config)...); r.err != nil {
		return r.err
	}
	if err := os.Setenv("KUBECONFIG", config); err != nil {
		return err
	}
	return kubectl("wait", "node", "--all", "--for=condition=Ready", "--timeout=3m").err
}

func eachImage(do func(service, image string) error) error {
	var failed error
	for _, service := range []string{"users", "orders"} {
		version, err := appVersion(service)
		if err == nil {
			err = do(service, "tandem/"+service+":"+version)
		}
		failed = errors.Join(failed, err)
	}
	return failed
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

func build(service, image string) error {
	command := append([]string{"docker", "build"}, strings.Fields(os.Getenv("DOCKER_BUILD_FLAGS"))...)
	return run(append(command, "--file=Dockerfile."+service, "--tag="+image, ".")...).err
}

func load(_, image string) error {
	return run(append(kind, "load", "docker-image", image, "--name="+cluster)...).err
}
