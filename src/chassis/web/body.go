package web

import (
	"bytes"
	"errors"
	"fmt"
	"math"
	"net/http"
	"slices"
	"strings"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"tandem/src/chassis/decimal"
	"tandem/src/chassis/failure"
)

// MaxBody is the maximum size of a request body in bytes.
const MaxBody = 1 << 20

// Body is the JSON object in the body of a request. Its methods collect members
// that are missing or have the wrong type, and Err returns all of them in one
// error. Members that no method reads are ignored.
type Body struct {
	members    map[string]jsontext.Value
	invalid    failure.Fields
	outOfRange []string // members that are numbers of the right type, but beyond an int64
}

// ReadBody reads the body of a request, which must be one JSON object without
// duplicate members and in UTF-8 (RFC 7493). The error is a failure with the code
// UnsupportedMediaType, TooLarge or Invalid; the latter says at which byte the
// body is wrong. On PATCH the body may be a JSON Merge Patch (RFC 7396) too.
func ReadBody(w http.ResponseWriter, r *http.Request) (*Body, error) {
	if err := checkMediaType(w, r); err != nil {
		return nil, err
	}
	data, err := receivedBody(r)
	if err != nil {
		return nil, err
	}
	if bytes.HasPrefix(data, []byte("\uFEFF")) {
		return nil, failure.New(failure.Invalid, "The body begins with a byte order mark; send it without.")
	}
	var b Body
	if err := json.Unmarshal(data, &b.members); err != nil {
		return nil, decodeFailure(err, len(data))
	}
	if b.members == nil {
		return nil, failure.New(failure.Invalid, "The body must be a JSON object, not null.")
	}
	return &b, nil
}

// checkMediaType returns an error unless the body's media type is supported and
// the body is not compressed. Then it sets the header that names what is supported
// (RFC 5789, section 2.2; RFC 9110, section 12.5.3).
func checkMediaType(w http.ResponseWriter, r *http.Request) error {
	supported := []string{"application/json"}
	if r.Method == http.MethodPatch {
		supported = append(supported, "application/merge-patch+json")
	}
	// JSON has no parameters that matter (RFC 8259, section 11), not even broken ones.
	mediaType, _, _ := strings.Cut(r.Header.Get("Content-Type"), ";")
	if !slices.Contains(supported, strings.ToLower(strings.TrimSpace(mediaType))) {
		setAcceptPatch(w, r, supported)
		return failure.New(failure.UnsupportedMediaType, "Send the body as Content-Type: "+strings.Join(supported, " or ")+".")
	}
	encoding := strings.Join(r.Header.Values("Content-Encoding"), ", ")
	if encoding != "" && !strings.EqualFold(encoding, "identity") {
		setAcceptPatch(w, r, supported)
		w.Header().Set("Accept-Encoding", "identity")
		return failure.New(failure.UnsupportedMediaType, "Send the body without Content-Encoding: "+echo(encoding)+" is not supported.")
	}
	return nil
}

func setAcceptPatch(w http.ResponseWriter, r *http.Request, supported []string) {
	if r.Method == http.MethodPatch {
		w.Header().Set("Accept-Patch", strings.Join(supported, ", "))
	}
}

func decodeFailure(err error, size int) error {
	message := fmt.Sprintf("The body of %d bytes is not a JSON object.", size)
	if semantic, ok := errors.AsType[*json.SemanticError](err); ok {
		message = fmt.Sprintf("The body must be a JSON object, not a %s.", kindName(semantic.JSONKind))
	} else if syntax, ok := errors.AsType[*jsontext.SyntacticError](err); ok {
		message = fmt.Sprintf("The body is not valid JSON: syntax error at byte %d.", syntax.ByteOffset)
		if errors.Is(syntax.Err, jsontext.ErrDuplicateName) {
			message = fmt.Sprintf("The body is not usable JSON: it names a member twice, at byte %d.", syntax.ByteOffset)
		}
	}
	return failure.New(failure.Invalid, message).WithCause(err)
}

// String returns a member that is required and must be a string.
func (b *Body) String(name string) string {
	if value := b.OptionalString(name); value != nil {
		return *value
	}
	b.addMissing(name)
	return ""
}

// OptionalString returns a member that must be a string, and nil if it is missing
// or invalid.
func (b *Body) OptionalString(name string) *string {
	var value string
	if !b.checkKind(name, '"', "must be a string") || json.Unmarshal(b.members[name], &value) != nil {
		return nil
	}
	return &value
}

// OptionalBool returns a member that must be true or false, and nil if it is
// missing or invalid.
func (b *Body) OptionalBool(name string) *bool {
	value, present := b.members[name]
	if !present {
		return nil
	}
	isTrue := value.Kind() == 't'
	if !isTrue && value.Kind() != 'f' {
		b.invalid.Add(name, "must be true or false")
		return nil
	}
	return &isTrue
}

// Int returns a member that is required and must be a whole number, and the least
// int64 for one beyond an int64: the domain's rule then names the valid range.
func (b *Body) Int(name string) int64 {
	return b.number(name, 0, "must be a whole number")
}

// Cents returns a member that is required and must be a number with at most two
// decimals. For one beyond an int64 see Int.
func (b *Body) Cents(name string) decimal.Cents {
	return decimal.Cents(b.number(name, 2, "must be a number with at most 2 decimals"))
}

// Err returns an Invalid failure that lists the members that are missing or have the
// wrong type, and then the violations of the domain's rules by other members. It
// returns nil if there are none.
func (b *Body) Err(violations failure.Fields) error {
	for _, field := range violations {
		if !b.invalid.Has(field.Name) {
			b.invalid = append(b.invalid, field)
		}
	}
	for _, name := range b.outOfRange {
		if !b.invalid.Has(name) {
			b.invalid.Add(name, "is out of range")
		}
	}
	return b.invalid.Err()
}

// number returns a member as an integer in units of 10^-scale.
func (b *Body) number(name string, scale int, rule string) int64 {
	if !b.checkKind(name, '0', rule) {
		b.addMissing(name)
		return 0
	}
	n, err := decimal.Parse(string(b.members[name]), scale)
	switch {
	case errors.Is(err, decimal.ErrRange):
		b.outOfRange = append(b.outOfRange, name)
		return math.MinInt64
	case err != nil:
		b.invalid.Add(name, rule)
	}
	return n
}

// checkKind reports whether the member is present and has the wanted kind of value.
// It adds a member of another kind to the invalid members.
func (b *Body) checkKind(name string, want jsontext.Kind, rule string) bool {
	value, present := b.members[name]
	if present && value.Kind() != want {
		b.invalid.Add(name, rule)
		return false
	}
	return present
}

// addMissing adds a missing member to the invalid members. A member that is already
// among them is not missing: it has the wrong type.
func (b *Body) addMissing(name string) {
	if !b.invalid.Has(name) {
		b.invalid.Add(name, "is required")
	}
}

func kindName(k jsontext.Kind) string {
	switch k {
	case '"':
		return "string"
	case '0':
		return "number"
	case '[':
		return "list"
	case 't', 'f':
		return "boolean"
	default:
		return k.String()
	}
}
