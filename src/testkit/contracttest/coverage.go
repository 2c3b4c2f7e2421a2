package contracttest

import (
	"maps"
	"slices"
	"strings"
	"testing"
)

func (c *Contract) remember(o outcome) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.seen[o] = true
}

func (c *Contract) hasSeen(o outcome) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.seen[o]
}

// RequireAllSeen fails the test for each documented status of each operation
// that no exchange has shown yet. Only answers that matched the document count,
// and HEAD does not, as it shows no body.
func (c *Contract) RequireAllSeen(t testing.TB) {
	t.Helper()
	for _, op := range c.operations() {
		for _, status := range slices.Sorted(maps.Keys(op.Responses.Map())) {
			if !c.hasSeen(outcome{op.name, status}) {
				t.Errorf("%s: %s is documented, but no exchange has shown it", op.name, status)
			}
		}
	}
}

// RequireSameRoutes fails the test for each documented operation that patterns
// lacks, and for each pattern that is not documented. Patterns are those of
// net/http's ServeMux with a method, such as "GET /users/{id}"; the names of
// wildcards have to be the document's. A pattern that answers what the service
// does not know ("/") is no route of it and does not belong among them.
func (c *Contract) RequireSameRoutes(t testing.TB, patterns []string) {
	t.Helper()
	missing := map[string]bool{}
	for _, op := range c.operations() {
		missing[op.name] = true
	}
	for _, pattern := range patterns {
		name := routeName(pattern)
		if !missing[name] {
			t.Errorf("%s is a route, but it is not documented (or stands twice)", pattern)
		}
		delete(missing, name)
	}
	for _, name := range slices.Sorted(maps.Keys(missing)) {
		t.Errorf("%s is documented, but it is no route", name)
	}
}

// routeName writes a pattern as the document does: one space, and no mark for
// the end of the path.
func routeName(pattern string) string {
	return strings.TrimSuffix(strings.Join(strings.Fields(pattern), " "), "{$}")
}
