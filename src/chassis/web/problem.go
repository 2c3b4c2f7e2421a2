package web

import (
	"context"
	"errors"
	"net/http"

	"go.opentelemetry.io/otel/trace"

	"tandem/src/chassis/failure"
)

// StatusClientClosedRequest is the status under which a request is logged and
// counted whose caller went away; nobody is there to receive it. It is nginx's
// number, which the field has adopted.
const StatusClientClosedRequest = 499

// retryAfter is the number of seconds after which a refused caller may try
// again: long enough for an overload to pass or a breaker to half-open.
const retryAfter = "1"

// Problem is an error answer: RFC 9457 problem details, the sentence once more
// as "error", the request's trace id and, of a bad input, every bad member.
type Problem struct {
	Type       string          `json:"type"`
	Title      string          `json:"title"`
	Status     int             `json:"status"`
	Detail     string          `json:"detail"`
	Instance   string          `json:"instance"`
	Error      string          `json:"error"`
	TraceID    string          `json:"trace_id"`
	Errors     []failure.Field `json:"errors,omitempty"`
	Extensions map[string]any  `json:",embed"`
}

// Status is the HTTP status of a kind of failure.
func Status(code failure.Code) int {
	switch code {
	case failure.Invalid:
		return http.StatusBadRequest
	case failure.NotFound:
		return http.StatusNotFound
	case failure.MethodNotAllowed:
		return http.StatusMethodNotAllowed
	case failure.Conflict:
		return http.StatusConflict
	case failure.TooLarge:
		return http.StatusRequestEntityTooLarge
	case failure.UnsupportedMediaType:
		return http.StatusUnsupportedMediaType
	case failure.Unprocessable:
		return http.StatusUnprocessableEntity
	case failure.Canceled:
		return StatusClientClosedRequest
	case failure.Unavailable:
		return http.StatusServiceUnavailable
	default:
		return http.StatusInternalServerError
	}
}

// Code is the inverse of Status, for clients: the kind of failure that an
// answer with this status stands for; the empty code for a success.
func Code(status int) failure.Code {
	if status < 400 {
		return ""
	}
	for _, code := range []failure.Code{
		failure.Invalid, failure.NotFound, failure.MethodNotAllowed, failure.Conflict, failure.TooLarge,
		failure.UnsupportedMediaType, failure.Unprocessable, failure.Canceled, failure.Unavailable,
	} {
		if Status(code) == status {
			return code
		}
	}
	return failure.Internal
}

// shown is what the caller may learn of an error: a failure as it is, a
// request given up as such, and of anything else only that it happened.
func shown(ctx context.Context, err error) *failure.Error {
	if errors.Is(ctx.Err(), context.Canceled) {
		return failure.New(failure.Canceled, "The caller closed the request.").WithCause(err)
	}
	if f, ok := errors.AsType[*failure.Error](err); ok {
		return f
	}
	return failure.New(failure.Internal, "Something went wrong on our side; the trace id identifies the request in our log.").WithCause(err)
}

// writeProblem answers with a failure.
func writeProblem(w http.ResponseWriter, r *http.Request, f *failure.Error) error {
	status := Status(f.Code)
	title := http.StatusText(status)
	if f.Code == failure.Canceled {
		title = "Client Closed Request"
	}
	if f.Code == failure.Unavailable {
		w.Header().Set("Retry-After", retryAfter)
	}
	return write(w, status, "application/problem+json", Problem{
		Type: "about:blank", Title: title, Status: status, Detail: f.Message, Instance: r.URL.EscapedPath(),
		Error: f.Message, TraceID: trace.SpanContextFromContext(r.Context()).TraceID().String(),
		Errors: f.Fields, Extensions: f.Extensions,
	})
}
