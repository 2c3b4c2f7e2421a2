package web

import (
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"time"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"tandem/src/chassis/decimal"
	"tandem/src/chassis/failure"
)

// MaxBody is the largest request body that is read, in bytes.
const MaxBody = 1 << 20

// bodyTimeout bounds how long a caller may take to send a body.
const bodyTimeout = 3 * time.Second

// Body is the JSON object of a request. Its members are read one by one, so
// that every one of a wrong type is named in one answer; members nobody reads
// are ignored.
type Body struct {
	members map[string]jsontext.Value
	bad     failure.Fields
}

// ReadBody reads a request's body, which must be one JSON object. The failure
// is MediaType, TooLarge or Invalid, the last with the place of the mistake.
// Duplicate members and text that is not UTF-8 are refused (RFC 7493).
func ReadBody(w http.ResponseWriter, r *http.Request) (*Body, error) {
	if mediaType, _, err := mime.ParseMediaType(r.Header.Get("Content-Type")); err != nil || mediaType != "application/json" {
		return nil, failure.New(failure.UnsupportedMediaType, "Send the body as Content-Type: application/json.")
	}
	text, err := readAll(w, r)
	if err != nil {
		return nil, unreadable(err)
	}
	var b Body
	if err := json.Unmarshal(text, &b.members); err != nil {
		return nil, malformed(err, text)
	}
	if b.members == nil {
		return nil, failure.New(failure.Invalid, "The body must be a JSON object, not null.")
	}
	return &b, nil
}

// readAll reads a body of bounded size within a bounded time: whoever sends it
// byte by byte would keep a place from others.
func readAll(w http.ResponseWriter, r *http.Request) ([]byte, error) {
	connection := http.NewResponseController(w)
	if err := connection.SetReadDeadline(time.Now().Add(bodyTimeout)); err == nil {
		// What watches for the caller's leave reads on; the deadline is not for it.
		defer func() { _ = connection.SetReadDeadline(time.Time{}) }()
	}
	return io.ReadAll(http.MaxBytesReader(w, r.Body, MaxBody))
}

func unreadable(err error) error {
	if _, ok := errors.AsType[*http.MaxBytesError](err); ok {
		return failure.New(failure.TooLarge, fmt.Sprintf("The body is larger than %d bytes.", MaxBody))
	}
	return failure.New(failure.Invalid, "The body did not arrive whole, or not in time.").WithCause(err)
}

func malformed(err error, text []byte) error {
	if wrong, ok := errors.AsType[*json.SemanticError](err); ok {
		return failure.New(failure.Invalid, fmt.Sprintf("The body must be a JSON object, not a %s.", kind(wrong.JSONKind))).WithCause(err)
	}
	if wrong, ok := errors.AsType[*jsontext.SyntacticError](err); ok {
		if errors.Is(wrong.Err, jsontext.ErrDuplicateName) {
			return failure.New(failure.Invalid, fmt.Sprintf("The body is not usable JSON: it names a member twice, at byte %d.", wrong.ByteOffset)).WithCause(err)
		}
		return failure.New(failure.Invalid, fmt.Sprintf("The body is not valid JSON: it goes wrong at byte %d.", wrong.ByteOffset)).WithCause(err)
	}
	return failure.New(failure.Invalid, fmt.Sprintf("The body is not valid JSON: %d bytes that make no object.", len(text))).WithCause(err)
}

// String reads a member that must be there and be a string.
func (b *Body) String(name string) string {
	if value := b.OptionalString(name); value != nil {
		return *value
	}
	b.require(name)
	return ""
}

// OptionalString reads a member that must be a string where it is there.
func (b *Body) OptionalString(name string) *string {
	var value string
	if !b.read(name, '"', "must be a string") || json.Unmarshal(b.members[name], &value) != nil {
		return nil
	}
	return &value
}

// OptionalBool reads a member that must be true or false where it is there.
func (b *Body) OptionalBool(name string) *bool {
	value, there := b.members[name]
	if !there {
		return nil
	}
	is := value.Kind() == 't'
	if !is && value.Kind() != 'f' {
		b.bad.Add(name, "must be true or false")
		return nil
	}
	return &is
}

// Int reads a member that must be there and be a whole number.
func (b *Body) Int(name string) int64 {
	return b.number(name, 0, "must be a whole number")
}

// Cents reads a member that must be there and be a number with at most two
// decimals.
func (b *Body) Cents(name string) decimal.Cents {
	return decimal.Cents(b.number(name, 2, "must be a number with at most 2 decimals"))
}

// Err is one Invalid failure that names every member of a wrong type and,
// of the others, each that breaks a rule of the domain; nil where none does.
func (b *Body) Err(broken failure.Fields) error {
	for _, field := range broken {
		if !b.bad.Has(field.Name) {
			b.bad = append(b.bad, field)
		}
	}
	return b.bad.Err()
}

func (b *Body) number(name string, scale int, rule string) int64 {
	if !b.read(name, '0', rule) {
		b.require(name)
		return 0
	}
	n, err := decimal.Parse(string(b.members[name]), scale)
	switch {
	case errors.Is(err, decimal.ErrRange):
		b.bad.Add(name, "is out of range")
	case err != nil:
		b.bad.Add(name, rule)
	}
	return n
}

// read reports whether the member is there with that kind of value, and notes
// it as bad where it is there with another.
func (b *Body) read(name string, want jsontext.Kind, rule string) bool {
	value, there := b.members[name]
	if there && value.Kind() != want {
		b.bad.Add(name, rule)
		return false
	}
	return there
}

func (b *Body) require(name string) {
	if !b.bad.Has(name) {
		b.bad.Add(name, "is required")
	}
}

func kind(k jsontext.Kind) string {
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
