package web

import (
	"net/http"
	"time"

	"tandem/src/chassis/failure"
)

// responseRecorder passes a response on to the client and records what the span,
// the metrics and the log line of the request need.
type responseRecorder struct {
	http.ResponseWriter
	start   time.Time
	method  string // the request method, or _OTHER
	status  int    // 0 until the response begins
	size    int    // bytes of the body
	err     *failure.Error
	stack   []byte // of the handler's panic, or nil
	aborted bool   // the handler failed after its response had begun
}

func (rec *responseRecorder) WriteHeader(status int) {
	if rec.status == 0 {
		rec.status = status
	}
	rec.ResponseWriter.WriteHeader(status)
}

func (rec *responseRecorder) Write(b []byte) (int, error) {
	if rec.status == 0 {
		rec.status = http.StatusOK
	}
	n, err := rec.ResponseWriter.Write(b)
	rec.size += n
	return n, err
}

// Unwrap returns the wrapped writer, so that http.ResponseController reaches the
// connection.
func (rec *responseRecorder) Unwrap() http.ResponseWriter { return rec.ResponseWriter }
