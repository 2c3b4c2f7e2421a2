package failure

import (
	"strings"
	"unicode"
	"unicode/utf8"
)

// MaxText is the greatest length of a text member, such as a name, in Unicode
// code points.
const MaxText = 200

// IDRange describes the values of an ID, for a message that continues "must be".
const IDRange = "a whole number from 1 to 9223372036854775807"

// Fields collects the errors of an input, so that one response lists every
// invalid member.
type Fields []Field

// Add adds the error of one member. The message continues a sentence that begins
// with the name, such as "is required".
func (f *Fields) Add(name, message string) { *f = append(*f, Field{name, message}) }

// CheckText adds an error unless the value has 1 to MaxText characters, not only
// white space, and no U+0000, which PostgreSQL cannot store. White space is what
// Unicode or JavaScript take for it: White_Space and U+FEFF.
func (f *Fields) CheckText(name, value string) {
	if length := utf8.RuneCountInString(value); length < 1 || length > MaxText ||
		strings.TrimFunc(value, isWhiteSpace) == "" || strings.ContainsRune(value, 0) {
		f.Add(name, "must be 1 to 200 characters, not only white space and without U+0000")
	}
}

func isWhiteSpace(r rune) bool { return unicode.IsSpace(r) || r == '\uFEFF' }

// Has reports whether a member already has an error.
func (f Fields) Has(name string) bool {
	for _, field := range f {
		if field.Name == name {
			return true
		}
	}
	return false
}

// Err returns an Invalid failure with every error, or nil if there is none.
func (f Fields) Err() error {
	if len(f) == 0 {
		return nil
	}
	sentences := make([]string, len(f))
	for i, field := range f {
		sentences[i] = field.Name + " " + field.Message
	}
	return &Error{Code: Invalid, Message: strings.Join(sentences, "; ") + ".", Fields: f}
}
