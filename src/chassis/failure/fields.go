package failure

import (
	"strings"
	"unicode/utf8"
)

// MaxText is the greatest length of a name or the like, in characters.
const MaxText = 200

// Fields gathers what is wrong with an input, so that the caller learns of
// every bad member at once.
type Fields []Field

// Add notes that a member is wrong.
func (f *Fields) Add(name, message string) { *f = append(*f, Field{name, message}) }

// CheckText notes a member that breaks the rule for names and the like. U+0000
// is out because PostgreSQL cannot store it.
func (f *Fields) CheckText(name, value string) {
	if length := utf8.RuneCountInString(value); length < 1 || length > MaxText ||
		strings.TrimSpace(value) == "" || strings.ContainsRune(value, 0) {
		f.Add(name, "must be 1 to 200 characters, not only spaces and without U+0000")
	}
}

// Has reports whether a member has been noted as wrong already.
func (f Fields) Has(name string) bool {
	for _, field := range f {
		if field.Name == name {
			return true
		}
	}
	return false
}

// Err returns one Invalid failure that names every bad member, or nil.
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
