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
	callTimeout = 5 * time.Second
	// shown is how much of an answer a message quotes, in bytes.
	shown = 300
)

// API is the service that a release runs.
type API struct {
	url    string
	client *http.Client
}

// At is the service at a URL. Each call has a connection of its own, so that a
// release's pods take turns.
func At(url settings.URL) API {
	return API{strings.TrimSuffix(url.Raw(), "/"), &http.Client{
		Timeout: callTimeout, Transport: &http.Transport{DisableKeepAlives: true},
	}}
}

// Call is one call of an API.
type Call struct {
	Method string // GET where empty
	Path   string
	Body   any    // sent as JSON unless nil
	Key    string // Idempotency-Key unless empty
}

// Answer is what a call was answered, or why there is no answer.
type Answer struct {
	Status int
	Body   []byte
	call   string
	err    error
}

// Do makes a call. Any answer is one, whatever its status.
func (a API) Do(ctx context.Context, call Call) Answer {
	request, err := a.request(ctx, call)
	if err != nil {
		return Answer{err: err}
	}
	response, err := a.client.Do(request)
	if err != nil {
		return Answer{err: err}
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	return Answer{response.StatusCode, body, request.Method + " " + request.URL.String(), err}
}

func (a API) request(ctx context.Context, call Call) (*http.Request, error) {
	var body io.Reader
	if call.Body != nil {
		text, err := json.Marshal(call.Body)
		if err != nil {
			return nil, err
		}
		body = bytes.NewReader(text)
	}
	request, err := http.NewRequestWithContext(ctx, call.Method, a.url+call.Path, body)
	if err != nil {
		return nil, err
	}
	if body != nil {
		request.Header.Set("Content-Type", "application/json")
	}
	if call.Key != "" {
		request.Header.Set("Idempotency-Key", call.Key)
	}
	return request, nil
}

// Want demands a status, and decodes the JSON into a value unless that is nil.
func (a Answer) Want(status int, into any) error {
	if a.err != nil {
		return a.err
	}
	if a.Status != status {
		return a.Errorf("answered %d instead of %d", a.Status, status)
	}
	if into == nil {
		return nil
	}
	if err := json.Unmarshal(a.Body, into); err != nil {
		return a.Errorf("answered what cannot be read: %w", err)
	}
	return nil
}

// Errorf is an error that names the call and quotes the answer; format says, in
// between, what the call did.
func (a Answer) Errorf(format string, args ...any) error {
	text := string(a.Body)
	if len(text) > shown {
		text = text[:shown] + "…"
	}
	return fmt.Errorf("%s %w: %s", a.call, fmt.Errorf(format, args...), text)
}

// Healthy demands that the service of that name calls itself healthy, with its
// store and all that it depends on.
func (a API) Healthy(service string) func(context.Context) error {
	return func(ctx context.Context) error {
		var report struct {
			Service string `json:"service"`
			Status  string `json:"status"`
		}
		answer := a.Do(ctx, Call{Path: "/health"})
		if err := answer.Want(http.StatusOK, &report); err != nil {
			return err
		}
		if report.Service != service || report.Status != "healthy" {
			return answer.Errorf("does not tell of a healthy %s", service)
		}
		return nil
	}
}

// HasMetrics demands that the service of that name answers metrics.
func (a API) HasMetrics(service string) func(context.Context) error {
	return func(ctx context.Context) error {
		answer := a.Do(ctx, Call{Path: "/metrics"})
		if err := answer.Want(http.StatusOK, nil); err != nil {
			return err
		}
		if !bytes.Contains(answer.Body, []byte(`service="`+service+`"`)) {
			return answer.Errorf("does not name %s", service)
		}
		return nil
	}
}
