package web

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"syscall"
	"time"

	"tandem/src/chassis/connections"
	"tandem/src/chassis/failure"
)

const (
	// smallBody is the size in bytes up to which a body is read however large others
	// are. The number of bodies bounds the memory of small ones.
	smallBody = 4 << 10
	// lingerTimeout is the time for which the rest of a body that nobody reads is
	// discarded, so that the client can read the response before the connection is
	// closed (RFC 9112, section 9.6).
	lingerTimeout = 500 * time.Millisecond
)

// takesBody reports whether a route for this method reads the body of its requests.
func takesBody(method string) bool {
	return method == http.MethodPost || method == http.MethodPut || method == http.MethodPatch
}

// received is a body that is in memory.
type received struct {
	bytes.Reader
	data []byte
}

// Close does nothing; it makes received an io.ReadCloser.
func (*received) Close() error { return nil }

// receivedBody returns the body of a request. The router has received it already,
// if the request came through one.
func receivedBody(r *http.Request) ([]byte, error) {
	if body, ok := r.Body.(*received); ok {
		return body.data, nil
	}
	data, err := io.ReadAll(io.LimitReader(r.Body, MaxBody+1))
	if err != nil || len(data) > MaxBody {
		return nil, bodyFailure(err)
	}
	return data, nil
}

// receive reads the body of a request, if its route takes one. It does so before the
// request takes a slot, so that a slow client keeps no slot from others. Then the request
// has the whole body; the failure says why it has none.
func (h *route) receive(rec *responseRecorder, conn *connections.Conn, r *http.Request) *failure.Error {
	if len(r.TransferEncoding) > 0 {
		// A request that has Content-Length, too, may be an attack; net/http hides it
		// (RFC 9112, section 6.1).
		rec.Header().Set("Connection", "close")
	}
	if r.ContentLength == 0 {
		return nil
	}
	if !h.takesBody {
		rec.bodyRemains = true
		return nil
	}
	body, err := readBody(conn, r)
	if err != nil {
		rec.bodyRemains = true
		return err
	}
	rec.start = time.Now() // The time that the client takes is not that of the service.
	r.Body = body          // net/http keeps its own reference to the body of the connection
	return nil
}

// readBody reads a body of up to MaxBody bytes. The connection's limits apply to its
// speed, and to how many are read at the same time.
func readBody(conn *connections.Conn, r *http.Request) (*received, *failure.Error) {
	if r.ContentLength > MaxBody {
		return nil, bodyFailure(nil)
	}
	if !conn.BeginBody() {
		return nil, tooManyBodies()
	}
	data, reserved, err := readWithin(conn, r)
	if conn.EndBody() {
		err = os.ErrDeadlineExceeded
	}
	switch {
	case !reserved:
		return nil, tooManyBodies()
	case err != nil || len(data) > MaxBody:
		return nil, bodyFailure(err)
	}
	body := &received{data: data}
	body.Reset(data)
	return body, nil
}

// readWithin reads a body of up to MaxBody+1 bytes. One that is larger than smallBody
// must reserve its bytes first.
func readWithin(conn *connections.Conn, r *http.Request) (data []byte, reserved bool, err error) {
	if r.ContentLength > 0 && r.ContentLength <= smallBody {
		data = make([]byte, r.ContentLength)
		_, err = io.ReadFull(r.Body, data)
		return data, true, err
	}
	var read bytes.Buffer
	_, err = read.ReadFrom(io.LimitReader(r.Body, smallBody+1))
	if err != nil || read.Len() <= smallBody {
		return read.Bytes(), true, err
	}
	size := r.ContentLength
	if size < 0 {
		size = MaxBody
	}
	if !conn.ReserveBody(size) {
		return nil, false, nil
	}
	read.Grow(int(max(r.ContentLength, 0)))
	_, err = read.ReadFrom(io.LimitReader(r.Body, MaxBody-smallBody))
	return read.Bytes(), true, err
}

func tooManyBodies() *failure.Error {
	return failure.New(failure.Unavailable, "The service is busy with other bodies; try again shortly.")
}

// bodyFailure returns the failure for an error of reading a body; no error means
// that the body is too large.
func bodyFailure(err error) *failure.Error {
	switch {
	case err == nil:
		return failure.New(failure.TooLarge, fmt.Sprintf("The body is larger than %d bytes.", MaxBody))
	case errors.Is(err, os.ErrDeadlineExceeded):
		return failure.New(failure.TooSlow, "The body did not arrive in time.").WithCause(err)
	case errors.Is(err, syscall.ECONNRESET):
		return failure.New(failure.Canceled, "The caller closed the request.").WithCause(err)
	default:
		return failure.New(failure.Invalid, "The body did not arrive whole.").WithCause(err)
	}
}
