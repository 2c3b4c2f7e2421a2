package contracttest

import (
	"bytes"
	"errors"
	"io"
	"net/http"
	"testing/iotest"
)

// Transport returns a RoundTripper that passes every request to next
// (http.DefaultTransport if nil) and compares request and response with the
// document. It reports differences with t.Errorf of the test that loaded the
// contract, and does not change request or response.
//
//   - A response must have a status that is documented for the operation, and
//     the content type, schema and required headers of that status. The status
//     in a problem document must be the status of the response.
//   - A request that does not match the document must get a 4xx response.
//   - A path that is not documented must get 404, and a method that is not
//     documented 405 with Allow, both with a body of the schema Problem.
//
// A HEAD request is compared with the GET operation, without the body. Bodies
// are read completely before they are passed on, so endless ones do not work.
// An error of next and a truncated response are passed on without comparison.
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

// exchange is a request and its response.
type exchange struct {
	method      string        // that was sent
	request     *http.Request // with GET for HEAD, because HEAD has no operation of its own
	requestBody []byte
	status      int
	header      http.Header // of the response
	body        []byte      // of the response
}

func (c *Contract) roundTrip(next http.RoundTripper, req *http.Request) (*http.Response, error) {
	c.t.Helper()
	requestBody, err := readAndClose(req.Body)
	if err != nil {
		return nil, err
	}
	resp, err := next.RoundTrip(withBody(req, requestBody))
	if err != nil {
		return nil, err
	}
	body, err := readAndClose(resp.Body)
	if err != nil {
		resp.Body = io.NopCloser(io.MultiReader(bytes.NewReader(body), iotest.ErrReader(err)))
		return resp, nil
	}
	resp.Body = io.NopCloser(bytes.NewReader(body))
	c.check(exchange{req.Method, headToGet(withBody(req, requestBody)), requestBody, resp.StatusCode, resp.Header, body})
	return resp, nil
}

// readAndClose reads a body completely and closes it. The body may be nil.
func readAndClose(body io.ReadCloser) ([]byte, error) {
	if body == nil {
		return nil, nil
	}
	data, err := io.ReadAll(body)
	return data, errors.Join(err, body.Close())
}

// withBody returns a copy of the request with a body that has not been read yet.
// Content-Length and Transfer-Encoding stay the same.
func withBody(req *http.Request, body []byte) *http.Request {
	clone := req.Clone(req.Context())
	if req.Body == nil || req.Body == http.NoBody {
		return clone
	}
	clone.GetBody = func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(body)), nil }
	clone.Body = io.NopCloser(bytes.NewReader(body))
	return clone
}

// headToGet changes the method of a HEAD request to GET.
func headToGet(req *http.Request) *http.Request {
	if req.Method == http.MethodHead {
		req.Method = http.MethodGet
	}
	return req
}
