package web

import (
	"net/http"
	"time"

	"tandem/src/chassis/connections"
	"tandem/src/chassis/failure"
	"tandem/src/chassis/timing"
)

// responseRecorder keeps the response of a handler, and what its span, its metrics
// and its log line need. The response is sent after the request has released its
// slot, so that a client that reads slowly keeps no slot from others.
type responseRecorder struct {
	writer      http.ResponseWriter
	start       time.Time
	duration    time.Duration     // 0 until end is called
	method      string            // the request method, or _OTHER
	vars        map[string]string // variables of the path
	status      int               // 0 until the response begins
	body        []byte
	err         *failure.Error
	stack       []byte // of a panic
	bodyRemains bool   // the body of the request is not read to its end
	timing      timing.Timing
	timingText  [1]string // the header Server-Timing
}

// Header returns the header of the response.
func (rec *responseRecorder) Header() http.Header { return rec.writer.Header() }

// WriteHeader sets the status of the response.
func (rec *responseRecorder) WriteHeader(status int) {
	if rec.status == 0 {
		rec.status = status
	}
}

// Write appends to the body of the response.
func (rec *responseRecorder) Write(b []byte) (int, error) {
	rec.WriteHeader(http.StatusOK)
	rec.body = append(rec.body, b...)
	return len(b), nil
}

// end returns the duration of the request until the first call of end.
func (rec *responseRecorder) end() time.Duration {
	if rec.duration == 0 {
		rec.duration = time.Since(rec.start)
	}
	return rec.duration
}

// size returns the number of bytes of the body that the client gets.
func (rec *responseRecorder) size() int {
	if rec.method == http.MethodHead {
		return 0
	}
	return len(rec.body)
}

// smallResponse is the size in bytes up to which a response is not counted: net/http
// and the kernel buffer it for its connection.
const smallResponse = 4 << 10

// send sends the response. If the body of the request was not read to its end, send
// closes the connection behind the response, so that the rest is not taken for
// another request.
func (rec *responseRecorder) send(conn *connections.Conn) {
	if rec.bodyRemains {
		rec.Header().Set("Connection", "close")
		// net/http discards the rest until then. The error means that it cannot wait.
		_ = http.NewResponseController(rec.writer).SetReadDeadline(time.Now().Add(lingerTimeout))
	}
	if size := len(rec.body); size > smallResponse {
		conn.BeginResponse(int64(size))
		defer conn.EndResponse()
	}
	rec.writer.WriteHeader(rec.status)
	// An error means that the client has gone, and that is no error of the service.
	_, _ = rec.writer.Write(rec.body)
}
