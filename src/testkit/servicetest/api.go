package servicetest

import (
	"encoding/json"
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// API sends requests to a service. With the Transport of a
// contracttest.Contract, it compares every request and response with the
// OpenAPI document.
type API struct {
	URL       string
	Transport http.RoundTripper
}

// Response is a response of a service, with its body.
type Response struct {
	Status int
	Header http.Header
	Text   string
	JSON   map[string]any // of a JSON response; numbers are json.Number
}

// Get sends a GET request.
func (a API) Get(t testing.TB, path string) Response {
	t.Helper()
	return a.Call(t, http.MethodGet, path, "")
}

// Post sends a POST request with a JSON body. Headers are pairs of name and value.
func (a API) Post(t testing.TB, path, body string, headers ...string) Response {
	t.Helper()
	return a.Call(t, http.MethodPost, path, body, headers...)
}

// Patch sends a PATCH request with a JSON body.
func (a API) Patch(t testing.TB, path, body string) Response {
	t.Helper()
	return a.Call(t, http.MethodPatch, path, body)
}

// Call sends a request. A non-empty body has the content type application/json
// unless headers set another one.
func (a API) Call(t testing.TB, method, path, body string, headers ...string) Response {
	t.Helper()
	request, err := http.NewRequestWithContext(t.Context(), method, a.URL+path, strings.NewReader(body))
	require.NoError(t, err)
	if body != "" {
		request.Header.Set("Content-Type", "application/json")
	}
	for i := 0; i < len(headers); i += 2 {
		request.Header.Set(headers[i], headers[i+1])
	}
	// The test gets redirects as they are.
	client := http.Client{Transport: a.Transport, CheckRedirect: func(*http.Request, []*http.Request) error {
		return http.ErrUseLastResponse
	}}
	response, err := client.Do(request)
	require.NoError(t, err)
	defer response.Body.Close()
	text, err := io.ReadAll(response.Body)
	require.NoError(t, err)
	result := Response{Status: response.StatusCode, Header: response.Header, Text: string(text)}
	if strings.Contains(response.Header.Get("Content-Type"), "json") && len(text) > 0 {
		decoder := json.NewDecoder(strings.NewReader(result.Text))
		decoder.UseNumber()
		require.NoError(t, decoder.Decode(&result.JSON), "%s", text)
	}
	return result
}

// Require fails the test unless the response has the status. It returns the
// response.
func (r Response) Require(t testing.TB, status int) Response {
	t.Helper()
	require.Equal(t, status, r.Status, "%s", r.Text)
	return r
}

// Fields returns the field names in the errors of a problem response.
func (r Response) Fields() (names []string) {
	errors, _ := r.JSON["errors"].([]any)
	for _, e := range errors {
		names = append(names, e.(map[string]any)["field"].(string))
	}
	return names
}

// At returns the value at a path of member names and array indexes, such as
// At("users", 0, "id"), as JSON text.
func (r Response) At(t testing.TB, path ...any) string {
	t.Helper()
	var value any = r.JSON
	for _, step := range path {
		switch step := step.(type) {
		case string:
			members, ok := value.(map[string]any)
			require.True(t, ok, "%v of %s", path, r.Text)
			value, ok = members[step]
			require.True(t, ok, "%v of %s", path, r.Text)
		case int:
			items, ok := value.([]any)
			require.True(t, ok && step < len(items), "%v of %s", path, r.Text)
			value = items[step]
		}
	}
	text, err := json.Marshal(value)
	require.NoError(t, err)
	return string(text)
}
