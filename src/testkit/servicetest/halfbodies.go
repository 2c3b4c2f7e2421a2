package servicetest

import (
	"io"
	"net/http"
)

// HalfBodies sends half of the body of each request, and nothing more until the
// response has come. It is a http.RoundTripper.
type HalfBodies struct{}

// RoundTrip sends a request with half of its body.
func (HalfBodies) RoundTrip(r *http.Request) (*http.Response, error) {
	rest, responded := io.Pipe()
	defer responded.Close()
	half := r.Clone(r.Context())
	half.GetBody = nil
	half.Body = struct {
		io.Reader
		io.Closer
	}{io.MultiReader(io.LimitReader(r.Body, r.ContentLength/2), rest), r.Body}
	return http.DefaultTransport.RoundTrip(half)
}
