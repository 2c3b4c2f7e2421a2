// Package e2e holds the tests that run on a real Kubernetes cluster. They need
// the build tag e2e; `make e2e` runs them.
//
// The tests run the commands that a person types: kind, docker, kubectl, helm and
// curl. They use no Kubernetes client library, so that they test the documented
// commands and the module needs only the standard library.
package e2e
