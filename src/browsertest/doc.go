// Package browsertest tests the pages of both services in a real browser, headless Chromium, against
// the real programs. `make browser` runs the tests, `make screenshots` makes the pictures in docs.
//
// It is a module of its own, so that the services' go.mod stays small.
package browsertest
