// Package failure is the one error type that crosses a service: a code that
// says what kind of thing went wrong and a sentence for the person who has to
// act on it. Stores and domain rules return it; package web alone turns it into
// an HTTP answer, and a typed client turns that answer back into it.
package failure

import "errors"

// Code names a kind of failure, independent of any protocol.
type Code string

// The kinds of failure. Internal is what every error is that says nothing else.
const (
	Invalid              Code = "invalid"       // the input can never be accepted
	NotFound             Code = "not_found"     // the thing named does not exist
	Conflict             Code = "conflict"      // the state of things forbids it
	Unprocessable        Code = "unprocessable" // understood, yet contradicts an earlier request
	TooLarge             Code = "too_large"     // the body exceeds its limit
	UnsupportedMediaType Code = "media_type"    // the body is of an unknown type
	MethodNotAllowed     Code = "method"        // the resource knows no such method
	Unavailable          Code = "unavailable"   // may succeed later, unchanged
	Canceled             Code = "canceled"      // the caller went away
	Internal             Code = "internal"      // a defect on this side
)

// Field says what is wrong with one member of the input.
type Field struct {
	Name    string `json:"field"`
	Message string `json:"message"`
}

// Error is a failure that may be shown to the caller.
type Error struct {
	Code       Code
	Message    string         // one sentence a person can act on
	Fields     []Field        // every bad member of the input, where Code is Invalid
	Extensions map[string]any // further facts a program can act on, such as user_id
	Cause      error          // for the log, never shown
}

// New returns a failure of that kind with a sentence for people.
func New(code Code, message string) *Error { return &Error{Code: code, Message: message} }

// Error is the sentence, and the cause behind it where there is one.
func (e *Error) Error() string {
	if e.Cause == nil {
		return e.Message
	}
	return e.Message + ": " + e.Cause.Error()
}

// Unwrap gives the cause to errors.Is and errors.As.
func (e *Error) Unwrap() error { return e.Cause }

// With returns the failure with one more member for programs.
func (e *Error) With(name string, value any) *Error {
	members := map[string]any{name: value}
	for k, v := range e.Extensions {
		members[k] = v
	}
	c := *e
	c.Extensions = members
	return &c
}

// WithCause returns the failure with a cause for the log.
func (e *Error) WithCause(cause error) *Error {
	c := *e
	c.Cause = cause
	return &c
}

// CodeOf returns the kind of an error: that of the first Error in its chain,
// Internal where there is none, and the empty code for nil.
func CodeOf(err error) Code {
	if err == nil {
		return ""
	}
	if f, ok := errors.AsType[*Error](err); ok {
		return f.Code
	}
	return Internal
}
