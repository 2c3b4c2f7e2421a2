package web

import (
	"encoding/hex"
	"errors"
	"net/http"
	"strconv"
	"strings"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
	"go.opentelemetry.io/otel/trace"

	"tandem/src/chassis/failure"
)

// busyProblem is the response 503 to a request that gets no slot. All but its instance
// and its trace ID is encoded once: the cheaper a refusal is, the more processor time is
// left for the requests that are served.
type busyProblem struct {
	failure *failure.Error
	parts   [3]string // of the body: before the instance, before the trace ID, and the end
	header  http.Header
}

func newBusyProblem() (busyProblem, error) {
	const instance, traceID = "{instance}", "{trace}"
	busy := busyProblem{
		failure: failure.New(failure.Unavailable, "The service is busy; try again shortly."),
		header: http.Header{
			"Cache-Control": {"no-store"}, "Content-Type": {problemType}, "Retry-After": {retryAfter}, "X-Content-Type-Options": {"nosniff"},
		},
	}
	text, err := json.Marshal(newProblem(busy.failure, instance, traceID))
	before, rest, hasInstance := strings.Cut(string(text), `"`+instance+`"`)
	between, end, hasTrace := strings.Cut(rest, traceID)
	if !hasInstance || !hasTrace {
		return busy, errors.Join(err, errors.New("the problem of a refusal lacks a member"))
	}
	busy.parts = [3]string{before, between, end + "\n"}
	return busy, err
}

// write writes the response. The values of the header are shared by all responses, which
// do not change them.
func (b busyProblem) write(rec *responseRecorder, path string, id trace.TraceID) {
	body := make([]byte, 0, len(b.parts[0])+len(b.parts[1])+len(b.parts[2])+len(path)+len(`""`)+hex.EncodedLen(len(id)))
	body = append(body, b.parts[0]...)
	body, _ = jsontext.AppendQuote(body, path) // an escaped path is ASCII
	body = append(body, b.parts[1]...)
	body = hex.AppendEncode(body, id[:])
	body = append(body, b.parts[2]...)
	rec.err, rec.status, rec.body = b.failure, http.StatusServiceUnavailable, body
	header := rec.Header()
	for name, values := range b.header {
		header[name] = values
	}
	header["Content-Length"] = []string{strconv.Itoa(len(rec.body))}
}
