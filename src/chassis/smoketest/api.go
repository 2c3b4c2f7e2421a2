package smoketest

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net/http"
	"strings"
	"time"

	"github.com/go-json-experiment/json"

	"tandem/src/chassis/settings"
)

const (
	requestTimeout = 5 * time.Second
	maxQuotedBytes = 300 // of a response body in an error message
)

// API is a client of the service that a release runs.
type API struct {
	url    string
	client *http.Client
}

// NewAPI returns a client of the service at a base URL. Each request opens a
// new connection, so that the requests reach different pods of the release.
func NewAPI(url settings.URL) API {
	return API{strings.TrimSuffix(url.Raw(), "/"), &http.Client{
		Timeout: requestTimeout, Transport: &http.Transport{DisableKeepAlives: true},
	}}
}

// Request is a request to an API.
type Request struct {
	Method         string // empty means GET
	Path           string
	Body           any    // encoded as JSON; nil means no body
	IdempotencyKey string // header Idempotency-Key; empty means no header
}

// Response is the response to a request, or the error that prevented it.
type Response struct {
	Status  int
	Body    []byte
	request string // method and URL, for errors
	err     error
}

// Do sends a request and reads the whole response. Expect returns the error if
// that fails. A response with any status is not an error.
func (a API) Do(ctx context.Context, request Request) Response {
	httpRequest, err := a.newRequest(ctx, request)
	if err != nil {
		return Response{err: err}
	}
	httpResponse, err := a.client.Do(httpRequest)
	if err != nil {
		return Response{err: err}
	}
	defer httpResponse.Body.Close()
	body, err := io.ReadAll(httpResponse.Body)
	return Response{httpResponse.StatusCode, body, httpRequest.Method + " " + httpRequest.URL.String(), err}
}

func (a API) newRequest(ctx context.Context, request Request) (*http.Request, error) {
	var body io.Reader
	if request.Body != nil {
		text, err := json.Marshal(request.Body)
		if err != nil {
			return nil, err
		}
		body = bytes.NewReader(text)
	}
	httpRequest, err := http.NewRequestWithContext(ctx, request.Method, a.url+request.Path, body)
	if err != nil {
		return nil, err
	}
	if body != nil {
		httpRequest.Header.Set("Content-Type", "application/json")
	}
	if request.IdempotencyKey != "" {
		httpRequest.Header.Set("Idempotency-Key", request.IdempotencyKey)
	}
	return httpRequest, nil
}

// Expect returns an error unless the response has the status. If target is not
// nil, Expect decodes the JSON body into it, or returns the error of that.
func (r Response) Expect(status int, target any) error {
	if r.err != nil {
		return r.err
	}
	if r.Status != status {
		return r.Errorf("has status %d instead of %d", r.Status, status)
	}
	if target == nil {
		return nil
	}
	if err := json.Unmarshal(r.Body, target); err != nil {
		return r.Errorf("returned an unexpected body: %w", err)
	}
	return nil
}

// Errorf returns an error of the form "METHOD URL MESSAGE: BODY". The message is
// formatted like that of fmt.Errorf and continues a sentence, such as "returned
// another user". The body is the beginning of the response body.
func (r Response) Errorf(format string, args ...any) error {
	quoted := string(r.Body)
	if len(quoted) > maxQuotedBytes {
		quoted = quoted[:maxQuotedBytes] + "…"
	}
	return fmt.Errorf("%s %w: %s", r.request, fmt.Errorf(format, args...), quoted)
}

// Healthy returns a check that passes if the service has the name and reports
// that it is healthy, which includes its database and its dependencies.
func (a API) Healthy(service string) func(context.Context) error {
	return func(ctx context.Context) error {
		var report struct {
			Service string `json:"service"`
			Status  string `json:"status"`
		}
		response := a.Do(ctx, Request{Path: "/health"})
		if err := response.Expect(http.StatusOK, &report); err != nil {
			return err
		}
		if report.Service != service || report.Status != "healthy" {
			return response.Errorf("does not report that %s is healthy", service)
		}
		return nil
	}
}

// HasMetrics returns a check that passes if the metrics contain the service's
// name.
func (a API) HasMetrics(service string) func(context.Context) error {
	return func(ctx context.Context) error {
		response := a.Do(ctx, Request{Path: "/metrics"})
		if err := response.Expect(http.StatusOK, nil); err != nil {
			return err
		}
		if !bytes.Contains(response.Body, []byte(`service="`+service+`"`)) {
			return response.Errorf("does not contain the name %s", service)
		}
		return nil
	}
}
