//go:build e2e

package e2e

import (
	"crypto/rand"
	"errors"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// runLabel is the label of every namespace that a run creates.
const runLabel = "tandem-e2e"

// runID is part of the names of this run's namespaces, so that a run does not
// wait until the namespaces of the previous one are deleted.
var runID = strings.ToLower(rand.Text()[:5])

func TestMain(m *testing.M) {
	os.Exit(runTests(m.Run))
}

// runTests runs the tests on the cluster that `make cluster` created, and returns
// the exit status.
func runTests(tests func() int) int {
	http.DefaultClient.Timeout = time.Minute // a forwarded port may stop responding
	dir, err := os.MkdirTemp("", runLabel)
	if err == nil {
		defer os.RemoveAll(dir)
		err = setUp(filepath.Join(dir, "kubeconfig"))
	}
	if err != nil {
		fmt.Println(err)
		return 1
	}
	return tests()
}

// setUp selects the cluster and deletes the namespaces of the previous run.
func setUp(kubeconfig string) error {
	return inOrder(
		func() error {
			return logStep("setup", "kubectl and helm use the test cluster only", func() error { return useCluster(kubeconfig) })
		},
		func() error {
			return logStep("setup", "delete the namespaces of the previous run", func() error {
				return kubectl("delete", "namespace", "--selector", runLabel, "--ignore-not-found", "--wait=false").err
			})
		})
}

// useCluster writes a kubeconfig for the context in KUBE_CONTEXT and sets
// KUBECONFIG to it, so that every program that a test starts uses that cluster,
// whatever the user's current context is.
func useCluster(kubeconfig string) error {
	context := os.Getenv("KUBE_CONTEXT")
	if context == "" {
		return errors.New("KUBE_CONTEXT is not set: run `make e2e`, or name the context of the test cluster, such as kind-tandem")
	}
	config := kubectl("config", "view", "--raw", "--minify", "--context="+context)
	if config.err != nil {
		return config.err
	}
	return errors.Join(
		os.WriteFile(kubeconfig, []byte(config.stdout), 0o600),
		os.Setenv("KUBECONFIG", kubeconfig),
		kubectl("config", "use-context", context).err)
}
