package web

import (
	"errors"
	"fmt"
	"mime"
	"net/http"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"tandem/src/chassis/decimal"
	"tandem/src/chassis/failure"
)

// MaxBody is the maximum size of a request body in bytes.
const MaxBody = 1 << 20

// Body is the JSON object in the body of a request. Its methods collect members
// of the wrong type, and Err returns all of them in one error. Members that no
// method reads are ignored.
type Body struct {
	members map[string]jsontext.Value
	invalid failure.Fields
}

// ReadBody reads the body of a request, which must be one JSON object without
// duplicate members and in UTF-8 (RFC 7493). The error is a failure with the code
// UnsupportedMediaType, TooLarge or Invalid; the latter says at which byte the
// body is wrong.
func ReadBody(_ http.ResponseWriter, r *http.Request) (*Body, error) {
	if mediaType, _, err := mime.ParseMediaType(r.Header.Get("Content-Type")); err != nil || mediaType != "application/json" {
		return nil, failure.New(failure.UnsupportedMediaType, "Send the body as Content-Type: application/json.")
	}
	data, err := receivedBody(r)
	if err != nil {
		return nil, err
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

func decodeFailure(err error, size int) error {
	message := fmt.Sprintf("The body is not valid JSON: %d bytes that make no object.", size)
	if semantic, ok := errors.AsType[*json.SemanticError](err); ok {
		message = fmt.Sprintf("The body must be a JSON object, not a %s.", kindName(semantic.JSONKind))
	} else if syntax, ok := errors.AsType[*jsontext.SyntacticError](err); ok {
		message = fmt.Sprintf("The body is not valid JSON: it goes wrong at byte %d.", syntax.ByteOffset)
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
	b.addRequired(name)
	return ""
}

// OptionalString returns a member that must be a string, and nil if it is missing
// or invalid.
func (b *Body) OptionalString(name string) *string {
	var value string
	if !b.hasKind(name, '"', "must be a string") || json.Unmarshal(b.members[name], &value) != nil {
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

// Int returns a member that is required and must be a whole number.
func (b *Body) Int(name string) int64 {
	return b.number(name, 0, "must be a whole number")
}

// Cents returns a member that is required and must be a number with at most two
// decimals.
func (b *Body) Cents(name string) decimal.Cents {
	return decimal.Cents(b.number(name, 2, "must be a number with at most 2 decimals"))
}

// Err returns an Invalid failure that names every member of the wrong type, and
// of the other members each that is among the violations of the domain's rules. It
// returns nil if there are none.
func (b *Body) Err(violations failure.Fields) error {
	for _, field := range violations {
		if !b.invalid.Has(field.Name) {
			b.invalid = append(b.invalid, field)
		}
	}
	return b.invalid.Err()
}

// number returns a member as an integer in units of 10^-scale.
func (b *Body) number(name string, scale int, rule string) int64 {
	if !b.hasKind(name, '0', rule) {
		b.addRequired(name)
		return 0
	}
	n, err := decimal.Parse(string(b.members[name]), scale)
	switch {
	case errors.Is(err, decimal.ErrRange):
		b.invalid.Add(name, "is out of range")
	case err != nil:
		b.invalid.Add(name, rule)
	}
	return n
}

// hasKind reports whether the member is present with that kind of value. If it is
// present with another kind, hasKind adds it to the invalid members.
func (b *Body) hasKind(name string, want jsontext.Kind, rule string) bool {
	value, present := b.members[name]
	if present && value.Kind() != want {
		b.invalid.Add(name, rule)
		return false
	}
	return present
}

func (b *Body) addRequired(name string) {
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
