// Package failure provides the error type that all layers of a service share: a
// code for programs and a message for people. Stores and domain rules return it.
// Package web converts it to an HTTP response with problem details, and a typed
// client converts such a response back to it.
package failure

import (
	"errors"
	"maps"
)

// Code is the kind of a failure, independent of any protocol.
type Code string

// The kinds of failures. CodeOf returns Internal for an error without a code.
const (
	Invalid              Code = "invalid"       // the input is invalid; the same request always fails
	NotFound             Code = "not_found"     // the named resource does not exist
	Conflict             Code = "conflict"      // the state of a resource does not allow the request
	Unprocessable        Code = "unprocessable" // valid input that contradicts an earlier request
	TooLarge             Code = "too_large"     // the body exceeds the size limit
	UnsupportedMediaType Code = "media_type"    // the body has an unsupported media type
	MethodNotAllowed     Code = "method"        // the resource does not support the method
	TooSlow              Code = "too_slow"      // the body did not arrive in time
	Unavailable          Code = "unavailable"   // the same request may succeed later
	Canceled             Code = "canceled"      // the caller canceled the request
	Internal             Code = "internal"      // an error that the caller cannot correct
)

// Field describes an error of one member of the input.
type Field struct {
	Name    string `json:"field"`
	Message string `json:"message"` // continues a sentence that begins with Name, such as "is required"
}

// Error is a failure. The caller sees everything but its cause.
type Error struct {
	Code       Code
	Message    string         // one sentence that tells a person what to do or change
	Fields     []Field        // every invalid member of the input; empty unless Code is Invalid
	Extensions map[string]any // extension members of the problem details (RFC 9457, section 3.2), such as user_id
	Cause      error          // for the log only
	Uncertain  bool           // whether the request may have been carried out all the same; only if Code is Unavailable
}

// New returns a failure with a code and a message.
func New(code Code, message string) *Error { return &Error{Code: code, Message: message} }

// Error returns the message, followed by the cause if there is one.
func (e *Error) Error() string {
	if e.Cause == nil {
		return e.Message
	}
	return e.Message + ": " + e.Cause.Error()
}

// Unwrap returns the cause, or nil.
func (e *Error) Unwrap() error { return e.Cause }

// With returns a copy of the failure with one more extension member. A member
// that already has the name keeps its value.
func (e *Error) With(name string, value any) *Error {
	extensions := map[string]any{name: value}
	maps.Copy(extensions, e.Extensions)
	copied := *e
	copied.Extensions = extensions
	return &copied
}

// WithCause returns a copy of the failure with a cause for the log.
func (e *Error) WithCause(cause error) *Error {
	copied := *e
	copied.Cause = cause
	return &copied
}

// IsUncertain reports whether the request that failed with err may have been carried
// out all the same.
func IsUncertain(err error) bool {
	f, ok := errors.AsType[*Error](err)
	return ok && f.Uncertain
}

// CodeOf returns the code of the first *Error in err's chain, Internal if there
// is none, and the empty code if err is nil.
func CodeOf(err error) Code {
	if err == nil {
		return ""
	}
	if f, ok := errors.AsType[*Error](err); ok {
		return f.Code
	}
	return Internal
}
