package web

import (
	"context"
	"errors"
	"net/http"

	"go.opentelemetry.io/otel/trace"

	"tandem/src/chassis/failure"
)

// StatusClientClosedRequest is the status in logs and metrics of a request whose
// caller closed the connection before the response. nginx introduced the number;
// no client receives it.
const StatusClientClosedRequest = 499

// retryAfter is the value of the Retry-After header of a 503 in seconds. After that
// time an overload has often passed and a circuit breaker is half-open. A 503 to a
// request that may have been carried out does not have the header.
const retryAfter = "1"

// problemType is the media type of a problem (RFC 9457, section 3).
const problemType = "application/problem+json"

// Problem is the body of an error response: the problem details of RFC 9457, a copy
// of the detail named "error", the trace ID of the request and, for invalid input,
// each invalid field.
type Problem struct {
	Type       string          `json:"type"`
	Title      string          `json:"title"`
	Status     int             `json:"status"`
	Detail     string          `json:"detail"`
	Instance   string          `json:"instance"`
	Error      string          `json:"error"`
	TraceID    string          `json:"trace_id"`
	Errors     []failure.Field `json:"errors,omitempty"`
	Extensions map[string]any  `json:",embed"` // more members of the same object
}

// Status returns the HTTP status of a failure code, 500 for an unknown code.
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
	case failure.TooSlow:
		return http.StatusRequestTimeout
	case failure.Canceled:
		return StatusClientClosedRequest
	case failure.Unavailable:
		return http.StatusServiceUnavailable
	default:
		return http.StatusInternalServerError
	}
}

// Code is the inverse of Status, for clients: it returns the failure code of a
// response status. The code is empty below 400, and Internal for an error status
// that Status never returns.
func Code(status int) failure.Code {
	if status < 400 {
		return ""
	}
	for _, code := range []failure.Code{
		failure.Invalid, failure.NotFound, failure.MethodNotAllowed, failure.Conflict, failure.TooLarge,
		failure.UnsupportedMediaType, failure.Unprocessable, failure.TooSlow, failure.Canceled, failure.Unavailable,
	} {
		if Status(code) == status {
			return code
		}
	}
	return failure.Internal
}

// toFailure converts the error of a request to the failure that the response
// shows. A *failure.Error stays as it is. Any other error becomes an Internal
// failure without the text of the error, which only the log contains. If the
// caller closed the request, the result is Canceled whatever the error is.
func toFailure(ctx context.Context, err error) *failure.Error {
	if errors.Is(ctx.Err(), context.Canceled) {
		return failure.New(failure.Canceled, "The caller closed the request.").WithCause(err)
	}
	if f, ok := errors.AsType[*failure.Error](err); ok {
		return f
	}
	return failure.New(failure.Internal, "Something went wrong on our side; the trace id identifies the request in our log.").WithCause(err)
}

// writeProblem writes the problem response of a failure.
func writeProblem(w http.ResponseWriter, r *http.Request, f *failure.Error) error {
	if f.Code == failure.Unavailable && !f.Uncertain {
		w.Header().Set("Retry-After", retryAfter)
	}
	instance, traceID := echoPath(r.URL.EscapedPath()), trace.SpanContextFromContext(r.Context()).TraceID().String()
	return encode(w, Status(f.Code), problemType, newProblem(f, instance, traceID))
}

func newProblem(f *failure.Error, instance, traceID string) Problem {
	status := Status(f.Code)
	title := http.StatusText(status)
	if f.Code == failure.Canceled {
		title = "Client Closed Request"
	}
	return Problem{
		Type: "about:blank", Title: title, Status: status, Detail: f.Message, Instance: instance,
		Error: f.Message, TraceID: traceID, Errors: f.Fields, Extensions: f.Extensions,
	}
}
