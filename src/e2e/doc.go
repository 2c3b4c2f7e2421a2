// Package e2e holds the tests that run on a real Kubernetes cluster, by the
// commands that a person types: kind, docker, kubectl, helm and curl. They need
// the build tag e2e; `make e2e` runs them. There is no Kubernetes client in them:
// what is proven is what the documented commands do, and the module needs nothing
// but the standard library.
package e2e
