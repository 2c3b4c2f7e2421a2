package contracttest

import (
	"maps"
	"slices"
	"strings"
	"testing"
)

func (c *Contract) markSeen(r documentedResponse) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.seen[r] = true
}

func (c *Contract) hasSeen(r documentedResponse) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.seen[r]
}

// RequireAllSeen fails the test for each documented response of each operation
// that no exchange had. Only responses that match the document count. Responses
// to HEAD do not, because they have no body.
func (c *Contract) RequireAllSeen(t testing.TB) {
	t.Helper()
	for _, op := range c.operations() {
		for _, key := range slices.Sorted(maps.Keys(op.Responses.Map())) {
			if !c.hasSeen(documentedResponse{op.name, key}) {
				t.Errorf("%s: the response %s is documented, but no exchange had it", op.name, key)
			}
		}
	}
}

// RequireSameRoutes fails the test for each documented operation that is not in
// patterns, and for each pattern that is not documented. A pattern is a method
// and a path template, such as "GET /users/{id}", with the parameter names of
// the document. Patterns must not include the handler of unknown paths ("/").
func (c *Contract) RequireSameRoutes(t testing.TB, patterns []string) {
	t.Helper()
	missing := map[string]bool{}
	for _, op := range c.operations() {
		missing[op.name] = true
	}
	for _, pattern := range patterns {
		name := routeName(pattern)
		if !missing[name] {
			t.Errorf("%s is a route, but it is not documented (or it is listed twice)", pattern)
		}
		delete(missing, name)
	}
	for _, name := range slices.Sorted(maps.Keys(missing)) {
		t.Errorf("%s is documented, but it is not a route", name)
	}
}

// routeName returns the name of the operation that a pattern stands for. It
// normalizes space and removes "{$}", with which a ServeMux pattern ends.
func routeName(pattern string) string {
	return strings.TrimSuffix(strings.Join(strings.Fields(pattern), " "), "{$}")
}
