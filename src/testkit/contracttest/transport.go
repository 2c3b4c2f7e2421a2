package contracttest

import (
	"bytes"
	"errors"
	"io"
	"net/http"
	"testing/iotest"
)

// Transport returns a RoundTripper that hands every request to next
// (http.DefaultTransport if nil) and compares request and answer with the
// document. What does not match is reported with t.Errorf of the test that
// loaded the contract; the exchange itself goes on unchanged.
//
//   - The answer must have a status that is documented for the operation, and
//     the content type, schema and required headers documented for the status;
//     a problem document must name the status it comes with.
//   - A request that does not match the document must be answered 4xx.
//   - A path that is not documented must be answered 404, a method that is not
//     documented 405 with Allow, both with a body of the schema Problem.
//
// A HEAD request is compared with the GET operation, without a body. Bodies are
// read to their end first, so endless ones do not work. An error of next, or an
// answer cut off in the middle, is passed on and compared with nothing.
func (c *Contract) Transport(next http.RoundTripper) http.RoundTripper {
	if next == nil {
		next = http.DefaultTransport
	}
	return roundTripper(func(req *http.Request) (*http.Response, error) {
		c.t.Helper()
		return c.roundTrip(next, req)
	})
}

type roundTripper func(*http.Request) (*http.Response, error)

func (f roundTripper) RoundTrip(req *http.Request) (*http.Response, error) { return f(req) }

// exchange is a request and its answer. HEAD is kept as GET, because that is
// the operation it belongs to.
type exchange struct {
	method  string // as it was sent
	request *http.Request
	sent    []byte
	status  int
	header  http.Header
	body    []byte
}

func (c *Contract) roundTrip(next http.RoundTripper, req *http.Request) (*http.Response, error) {
	c.t.Helper()
	sent, err := drain(req.Body)
	if err != nil {
		return nil, err
	}
	resp, err := next.RoundTrip(withBody(req, sent))
	if err != nil {
		return nil, err
	}
	got, err := drain(resp.Body)
	if err != nil {
		resp.Body = io.NopCloser(io.MultiReader(bytes.NewReader(got), iotest.ErrReader(err)))
		return resp, nil
	}
	resp.Body = io.NopCloser(bytes.NewReader(got))
	c.check(exchange{req.Method, asOperation(withBody(req, sent)), sent, resp.StatusCode, resp.Header, got})
	return resp, nil
}

// drain reads a body to its end and closes it. There may be none.
func drain(body io.ReadCloser) ([]byte, error) {
	if body == nil {
		return nil, nil
	}
	data, err := io.ReadAll(body)
	return data, errors.Join(err, body.Close())
}

// withBody is the same request with a body that can be read again. How its
// length was announced stays as it was.
func withBody(req *http.Request, body []byte) *http.Request {
	again := req.Clone(req.Context())
	if req.Body == nil || req.Body == http.NoBody {
		return again
	}
	again.GetBody = func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(body)), nil }
	again.Body = io.NopCloser(bytes.NewReader(body))
	return again
}

// asOperation turns HEAD into the GET it stands for.
func asOperation(req *http.Request) *http.Request {
	if req.Method == http.MethodHead {
		req.Method = http.MethodGet
	}
	return req
}
