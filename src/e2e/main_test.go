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

// mark is the label of every namespace that a run makes.
const mark = "tandem-e2e"

// thisRun is part of the names of this run's namespaces, so that nobody has to
// wait until those of the last one are gone.
var thisRun = strings.ToLower(rand.Text()[:5])

func TestMain(m *testing.M) {
	os.Exit(prepared(m.Run))
}

// prepared runs the tests on the cluster that `make cluster` has made.
func prepared(tests func() int) int {
	http.DefaultClient.Timeout = time.Minute // a forwarded port may go dead
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

func prepare(kubeconfig string) error {
	return inOrder(
		func() error {
			return timed("setup", "kubectl and helm reach the cluster and no other", func() error { return useCluster(kubeconfig) })
		},
		func() error {
			return timed("setup", "the last run's namespaces go", func() error {
				return kubectl("delete", "namespace", "--selector", mark, "--ignore-not-found", "--wait=false").err
			})
		})
}

// useCluster points every program that a test starts at the cluster, whatever
// the current context is.
func useCluster(kubeconfig string) error {
	context := os.Getenv("KUBE_CONTEXT")
	if context == "" {
		return errors.New("KUBE_CONTEXT does not name the cluster to test on, such as kind-tandem; `make e2e` does")
	}
	config := kubectl("config", "view", "--raw", "--minify", "--context="+context)
	if config.err != nil {
		return config.err
	}
	return errors.Join(
		os.WriteFile(kubeconfig, []byte(config.text), 0o600),
		os.Setenv("KUBECONFIG", kubeconfig),
		kubectl("config", "use-context", context).err)
}
