package contracttest

import (
	"regexp"
	"testing"
	"unicode/utf8"
)

// RequireSameText requires that the pattern of a schema accepts exactly the texts
// that accepts accepts: each character of the Basic Multilingual Plane, which has all
// white space of Unicode, and one of 256 beyond it, alone and between two spaces. It
// reports the first difference.
func (c *Contract) RequireSameText(t testing.TB, schema string, accepts func(text string) bool) {
	t.Helper()
	pattern := c.pattern(t, schema)
	for r := rune(0); r <= utf8.MaxRune; r++ {
		if !utf8.ValidRune(r) || r > 0xFFFF && r%256 != 0 {
			continue
		}
		for _, text := range []string{string(r), " " + string(r) + " "} {
			if documented := pattern.MatchString(text); documented != accepts(text) {
				t.Fatalf("%s: %q (%U) matches the pattern: %t; the service accepts it: %t", schema, text, r, documented, !documented)
			}
		}
	}
}

// pattern returns the pattern of a schema as a regular expression of Go, which
// writes \u00AD as \x{00AD}.
func (c *Contract) pattern(t testing.TB, schema string) *regexp.Regexp {
	t.Helper()
	ref := c.doc.Components.Schemas[schema]
	if ref == nil || ref.Value.Pattern == "" {
		t.Fatalf("there is no schema %s with a pattern", schema)
	}
	return regexp.MustCompile(regexp.MustCompile(`\\u([0-9A-Fa-f]{4})`).ReplaceAllString(ref.Value.Pattern, `\x{$1}`))
}
